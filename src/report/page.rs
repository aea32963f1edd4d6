//! The style sheet of the page, with a light and a dark colour scheme.

/// The style sheet.
pub(crate) const STYLE: &str = "
:root { color-scheme: light dark; --text: #1d2330; --dim: #5c6575; --back: #f6f7f9; --card: #fff; --edge: #d9dee6;
  --good: #1a7f4b; --bad: #c0322b; --warn: #9a6700; }
@media (prefers-color-scheme: dark) { :root { --text: #e6e9ef; --dim: #9aa4b5; --back: #14171c; --card: #1d2128;
  --edge: #363d49; --good: #4cc38a; --bad: #ff7a70; --warn: #e2b341; } }
* { box-sizing: border-box }
body { margin: 0; background: var(--back); color: var(--text); font: 15px/1.5 system-ui, sans-serif }
main { max-width: 1040px; margin: 0 auto; padding: 24px 16px 64px }
h1 { font-size: 24px; margin: 0 0 4px } h2 { font-size: 18px; margin: 32px 0 10px } h3 { font-size: 15px; margin: 16px 0 4px }
.verdict { font-weight: 700 } .pass { color: var(--good) } .fail { color: var(--bad) } .warn { color: var(--warn) }
.skip, .dim { color: var(--dim) }
.card { background: var(--card); border: 1px solid var(--edge); border-radius: 8px; padding: 14px; margin: 10px 0; overflow-x: auto }
table { border-collapse: collapse; width: 100% } th { text-align: left; color: var(--dim); font-weight: 600 }
td, th { padding: 5px 10px 5px 0; vertical-align: top; border-bottom: 1px solid var(--edge) } tr:last-child td { border: 0 }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap } td.s { white-space: nowrap; font-weight: 600 }
code { font: 13px ui-monospace, monospace; white-space: nowrap } ul { margin: 4px 0; padding-left: 20px }
.hint { color: var(--dim) } .grid2 { display: grid; grid-template-columns: repeat(auto-fill, minmax(290px, 1fr)); gap: 10px }
.wide svg { min-width: 640px }
summary { font-weight: 600; cursor: pointer } .card > h3:first-child { margin-top: 0 } td.n + td, th.n + th { padding-left: 24px }
svg { width: 100%; height: auto; display: block } svg text { fill: var(--text); font: 12px system-ui, sans-serif }
svg text.name { font-weight: 600; font-size: 13px } svg text.small { fill: var(--dim) } svg text.tiny { fill: var(--dim); font-size: 10px }
.node { fill: var(--card); stroke-width: 2 } .link { stroke: var(--dim); stroke-dasharray: 3 3 } .grid { stroke: var(--edge) }
.bound { stroke: var(--warn); stroke-dasharray: 5 4; stroke-width: 2 }
.good { fill: #2f9e66 } .bad { fill: #b3312a } .away { fill: #6b7280 } .waiting { fill: #d9a520 } svg text.onbad { fill: #fff; font-size: 11px }
.suspect circle { fill: #d9a520 } .fail circle { fill: #b3312a } .follow circle { fill: #3b6fd4 } .promote circle { fill: #2f9e66 }
g.suspect text, g.fail text, g.follow text, g.promote text { fill: #fff; font-weight: 700 }
.shard0 { fill: #3b6fd4 } .shard1 { fill: #2f9e66 } .shard2 { fill: #d9822b } .shard3 { fill: #8a56c9 }
.shard4 { fill: #c2417f } .shard5 { fill: #1f9ea8 } .shard6 { fill: #8c7a1f } .shard7 { fill: #6b7280 }
.edge0 { stroke: #3b6fd4 } .edge1 { stroke: #2f9e66 } .edge2 { stroke: #d9822b } .edge3 { stroke: #8a56c9 }
.edge4 { stroke: #c2417f } .edge5 { stroke: #1f9ea8 } .edge6 { stroke: #8c7a1f } .edge7 { stroke: #6b7280 } .edgebad { stroke: #c0322b }
@media (max-width: 640px) { main { padding: 16px 8px 48px } .checks tr { display: grid; grid-template-columns: auto 1fr auto; gap: 0 10px;
  border-bottom: 1px solid var(--edge); padding: 6px 0 } .checks td, .checks th { border: 0; padding: 0 } .checks tr:first-child { display: none }
  .checks td:nth-child(3) { grid-row: 2; grid-column: 1 / -1; overflow-wrap: anywhere } .checks td:nth-child(4) { grid-row: 1; grid-column: 3 } }
";
