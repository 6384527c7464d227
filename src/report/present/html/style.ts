/** One style sheet for screen, dark screen and paper. No fonts or images are fetched: the page is read where there is no network. */
export const STYLE = `
:root { color-scheme: light dark;
  --page: #f6f6f3; --card: #ffffff; --ink: #1c2430; --muted: #5d6877; --line: #dcdfe4; --faint: #eceef1;
  --served: #4a78a6; --failed: #c98f1f; --refused: #9aa4b0; --denied: #b23a34;
  --high: #a8322c; --medium: #b07a10; --low: #3f7286; --accent: #33506e; }
@media (prefers-color-scheme: dark) { :root {
  --page: #12161b; --card: #1a2027; --ink: #e3e7ed; --muted: #97a2b0; --line: #2e3641; --faint: #232a33;
  --served: #6b9ccb; --failed: #dcab4a; --refused: #737e8b; --denied: #e0665e;
  --high: #e8756d; --medium: #e0b352; --low: #74aec4; --accent: #9db9d6; } }
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 2.5rem 1.5rem 4rem; }
header { display: flex; gap: 1rem; align-items: center; padding-bottom: 1.2rem; border-bottom: 2px solid var(--ink); }
header svg { flex: none; width: 44px; height: 44px; color: var(--ink); }
h1 { font-size: 1.55rem; line-height: 1.2; margin: 0; letter-spacing: -.01em; font-weight: 650; }
header p { margin: .2rem 0 0; color: var(--muted); }
h2 { font-size: 1.1rem; margin: 2.6rem 0 .8rem; font-weight: 650; }
h3 { font-size: .8rem; margin: 0 0 .6rem; font-weight: 600; color: var(--muted); text-transform: uppercase; letter-spacing: .06em; }
section > p { color: var(--muted); margin: -.4rem 0 .9rem; max-width: 46rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: 1.1rem 1.25rem; margin-bottom: 1rem; overflow-x: auto; }
.figures { display: grid; grid-template-columns: repeat(5, 1fr); margin: 1.4rem 0 0; background: var(--card); border: 1px solid var(--line); border-radius: 6px; overflow: hidden; }
.figures div { box-shadow: 1px 1px 0 var(--line); padding: .85rem 1.1rem; }
.figures b { display: block; font-size: 1.45rem; line-height: 1.25; font-weight: 620; font-variant-numeric: tabular-nums; letter-spacing: -.01em; }
.figures span { color: var(--muted); font-size: .84rem; }
.figures .wide { grid-column: span 3 }
.figures em { font-style: normal; color: var(--sev); font-weight: 600 }
@media (max-width: 720px) { .figures { grid-template-columns: repeat(2, 1fr) } .figures .wide, .figures div:first-child { grid-column: span 2 } }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 1rem; align-items: start; }
.two .card { margin: 0; }
table { border-collapse: collapse; width: 100%; font-size: .87rem; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 500; color: var(--muted); padding: 0 .9rem .4rem 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
td { padding: .32rem .9rem .32rem 0; border-bottom: 1px solid var(--faint); vertical-align: top; overflow-wrap: break-word; }
td.m { overflow-wrap: anywhere }
tr:last-child td { border-bottom: 0 }
th:last-child, td:last-child { padding-right: 0 }
.n { text-align: right; white-space: nowrap }
.t { white-space: nowrap; color: var(--muted) }
.m { font: .92em/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
.bar { display: block; height: .55rem; min-width: 2px; border-radius: 1px; background: var(--served); margin-top: .42rem }
.bar.denied { background: var(--denied) } .bar.failed { background: var(--failed) }
.w { width: 24% }
.threat { border-left: 4px solid var(--sev); break-inside: avoid; }
.threat h4 { margin: 0; font-size: 1rem; font-weight: 600; overflow-wrap: anywhere; }
.threat dl { display: grid; grid-template-columns: 4.6rem 1fr; gap: .15rem .8rem; margin: .6rem 0 0; font-size: .87rem; }
.threat dt { color: var(--muted) } .threat dd { margin: 0; overflow-wrap: anywhere }
.threat h4 { display: grid; grid-template-columns: 4.6rem 1fr; gap: .8rem; align-items: baseline; }
.tag { color: var(--sev); font-size: .72rem; font-weight: 700; letter-spacing: .08em; text-transform: uppercase; }
.high { --sev: var(--high) } .medium { --sev: var(--medium) } .low { --sev: var(--low) }
.legend { display: flex; flex-wrap: wrap; gap: 1.1rem; color: var(--muted); font-size: .82rem; margin: .5rem 0 0; }
.legend i { display: inline-block; width: .7rem; height: .7rem; border-radius: 1px; margin-right: .35rem; vertical-align: -1px; }
svg.chart { display: block; width: 100%; height: auto; min-width: 640px; font: 11px system-ui, sans-serif; font-variant-numeric: tabular-nums; }
svg.chart text { fill: var(--muted) } svg.chart .label { fill: var(--ink); font-size: 11.5px }
svg.chart .grid { stroke: var(--line); stroke-width: 1 } svg.chart .axis { stroke: var(--muted); stroke-width: 1 }
.f-served { fill: var(--served); background: var(--served) } .f-failed { fill: var(--failed); background: var(--failed) }
.f-refused { fill: var(--refused); background: var(--refused) } .f-denied { fill: var(--denied); background: var(--denied) }
.f-sev { fill: var(--sev) } .s-served { stroke: var(--served) }
small { display: block; color: var(--muted); font-size: .92em }
.none { color: var(--muted); margin: 0 }
footer { margin-top: 3rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--muted); font-size: .84rem; }
@media print {
  :root { --page: #fff; --card: #fff; --ink: #000; --muted: #444; --line: #bbb; --faint: #ddd; --served: #4a78a6; --failed: #c98f1f; --refused: #9aa4b0; --denied: #b23a34; --high: #a8322c; --medium: #8a5f0c; --low: #2f5a6b; }
  body { font-size: 10pt; -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  main { max-width: none; padding: 0 } .card { border-radius: 0; padding: .6rem .8rem } h2 { break-after: avoid; margin-top: 1.4rem } tr, .figures { break-inside: avoid }
}
`
