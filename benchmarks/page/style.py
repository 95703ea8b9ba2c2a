"""How the page looks: light and dark, wide and narrow, on screen and on paper."""

from __future__ import annotations

from ..palette import DARK, LIGHT


def _variables(colours: dict[str, str]) -> str:
    return " ".join(f"--{name}: {colour};" for name, colour in colours.items())


_LIGHT = f"{_variables(LIGHT)} --heat: 214 120 20; --gain: 20 110 180; --loss: 200 50 45;"
_DARK = f"{_variables(DARK)} --heat: 190 100 20; --gain: 40 115 200; --loss: 215 75 65;"
_RULES = """
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif;
  overflow-wrap: anywhere; }
header, main, footer { max-width: 84rem; margin: 0 auto; padding: 0 clamp(1rem, 3vw, 2.5rem); }
header { padding-top: 2rem; }
h1 { font-size: clamp(1.5rem, 4vw, 2.1rem); line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.35rem; margin: 3.25rem 0 .5rem; padding-top: .75rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.75rem 0 .4rem; }
p { max-width: 46rem; margin: .4rem 0 .9rem; }
a { color: var(--link); }
.lead, .note, figcaption, caption { color: var(--muted); }
.note { font-size: .9rem; }
.skip { position: absolute; left: -99rem; }
.skip:focus { left: 1rem; top: .5rem; background: var(--paper); padding: .3rem .6rem; z-index: 3; }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; border-radius: 3px; }
nav ul { list-style: none; padding: 0; margin: 1rem 0 0; display: flex; flex-wrap: wrap; gap: .1rem 1.1rem; }
nav a { display: inline-block; padding: .3rem 0; font-size: .92rem; }
.cards { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr));
  margin: 1rem 0; padding: 0; list-style: none; }
.card { background: var(--surface); border: 1px solid var(--line); border-left: 5px solid var(--int8);
  border-radius: 8px; padding: .9rem 1.1rem; }
.card.float { border-left-color: var(--float32); } .card.none { border-left-color: rgb(var(--loss)); }
.card p { margin: .35rem 0 0; } .card .to { color: var(--muted); font-size: .9rem; margin: 0; }
.card .ship { font-size: 1.2rem; font-weight: 650; margin: 0; }
.warning { border: 1px solid rgb(var(--heat)); border-left-width: 5px; border-radius: 8px; padding: .7rem 1rem;
  background: rgb(var(--heat) / .1); max-width: none; }
.verdicts { list-style: none; padding: 0; margin: 1rem 0; }
.verdicts li { padding: .55rem 0; border-bottom: 1px solid var(--line); display: grid; gap: .1rem 1rem;
  grid-template-columns: 8.5rem 1fr; }
.badge { display: inline-block; align-self: start; justify-self: start; padding: .05rem .55rem; border-radius: 99px;
  font-size: .85rem; font-weight: 600; border: 1px solid currentColor; white-space: nowrap; }
.good { color: var(--good); } .bad { color: var(--bad); } .open { color: var(--unsure); }
.plots { display: grid; gap: 1rem 2rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }
figure { margin: 0; } .plots figure { max-width: 40rem; }
.plots svg { display: block; width: 100%; height: auto; }
figcaption { font-size: .9rem; margin-top: .3rem; }
.scroll { overflow-x: auto; margin: .8rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; overflow-wrap: normal; }
caption { text-align: left; font-size: .9rem; padding-bottom: .3rem; }
caption > span { position: sticky; left: 0; display: inline-block; max-width: min(46rem, calc(100vw - 2rem)); }
th, td { padding: .32rem .45rem; border-bottom: 1px solid var(--line); text-align: right; }
td { white-space: nowrap; }
thead th { vertical-align: bottom; background: var(--surface); font-weight: 600; line-height: 1.25; }
th:first-child { text-align: left; }
tbody th { font-weight: 500; white-space: nowrap; position: sticky; left: 0; background: var(--paper); }
tr.chosen > * { background: var(--tint); } tr.chosen th { font-weight: 700; }
.matrices { display: grid; gap: 1rem 1.5rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); }
.matrix { width: 100%; max-width: 30rem; table-layout: fixed; font-size: .78rem; border-collapse: separate;
  border-spacing: 1px; }
.matrix caption { color: var(--ink); font-weight: 600; font-size: .95rem; }
.matrix th, .matrix td { border: 0; padding: 0; text-align: center; height: 1.75rem; font-weight: 400;
  background: none; }
.matrix th:first-child { width: 5.6rem; text-align: right; padding-right: .4rem; position: static; }
.matrix thead th { vertical-align: bottom; padding-bottom: .3rem; }
.matrix thead th span { writing-mode: vertical-rl; transform: rotate(180deg); white-space: nowrap;
  display: inline-block; }
.matrix td { background: rgb(var(--heat) / var(--s, 0)); border-radius: 2px; }
.matrix td.right { font-weight: 700; background: var(--surface); }
.matrix td.gain { background: rgb(var(--gain) / var(--s, 0)); }
.matrix td.loss { background: rgb(var(--loss) / var(--s, 0)); }
.matrix td.zero { color: var(--faint); }
.gallery { display: grid; gap: .8rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 13.5rem), 1fr));
  list-style: none; padding: 0; margin: 1rem 0; }
.gallery li { display: flex; gap: .7rem; background: var(--surface); border: 1px solid var(--line);
  border-radius: 8px; padding: .6rem; font-size: .84rem; line-height: 1.35; }
.gallery img { flex: none; border-radius: 4px; background: #000; }
.gallery p { margin: 0 0 .2rem; } .gallery .true { font-weight: 650; font-size: .92rem; }
.pixels { image-rendering: pixelated; }
details { margin: .6rem 0; } summary { cursor: pointer; padding: .3rem 0; font-weight: 550; }
dl { display: grid; grid-template-columns: minmax(8rem, max-content) 1fr; gap: .25rem 1.2rem; margin: .6rem 0;
  font-size: .92rem; }
dt { color: var(--muted); } dd { margin: 0; max-width: 46rem; }
footer { padding-top: 2.5rem; padding-bottom: 3rem; color: var(--muted); font-size: .88rem; }
@media (max-width: 40rem) {
  .verdicts li { grid-template-columns: 1fr; }
  dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .5rem; }
  .matrix { font-size: .7rem; } .matrix th:first-child { width: 4.7rem; }
  tbody th { white-space: normal; min-width: 7.5rem; }
}
@media print {
  :root { color-scheme: light; /*LIGHT*/ }
  body { font-size: 10pt; background: #fff; } nav, .skip { display: none; }
  h2 { break-after: avoid; } h3 { break-after: avoid; }
  figure, .gallery li, .card, .matrix, .verdicts li, tr { break-inside: avoid; }
  .scroll { overflow: visible; } table { font-size: 7.5pt; } th, td { padding: .15rem .3rem; }
  .matrices { grid-template-columns: repeat(2, 1fr); } .plots { grid-template-columns: repeat(2, 1fr); }
  .matrix td, tr.chosen > *, .card, .badge { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
STYLE = (
    f":root {{ color-scheme: light dark; {_LIGHT} }} "
    f"@media (prefers-color-scheme: dark) {{ :root {{ {_DARK} }} }}{_RULES}"
).replace("/*LIGHT*/", _LIGHT)  # paper is white, whatever the screen is
