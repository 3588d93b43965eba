/** The status page's style. Colours keep a contrast of 4.5 to 1, light and dark. */
export const STYLE = `
:root { color-scheme: light dark; --line: light-dark(#d5dae1, #343b45); --soft: light-dark(#55606e, #a3adbb);
  --good: light-dark(#0f6a36, #5fd38d); --bad: light-dark(#a8201a, #ff8f86); --busy: light-dark(#7a4f00, #ffc861);
  --good-back: light-dark(#e3f4e9, #12301f); --bad-back: light-dark(#fde7e5, #421917); --busy-back: light-dark(#fdf1d8, #352a10);
  --card: light-dark(#fff, #1b2027); --page: light-dark(#f5f7f9, #12161b); --text: light-dark(#1a1f26, #e6eaf0);
  --link: light-dark(#0b57a4, #8ec2ff) }
* { box-sizing: border-box } html { overflow-anchor: none; scroll-padding-top: 8rem }
body { margin: 0 auto; max-width: 76rem; padding: 1rem 1.5rem; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, sans-serif; overflow-wrap: anywhere }
a { color: var(--link) } h1 { font-size: 1.2rem; margin: 0 0 .6rem } h2 { font-size: 1.05rem; margin: .2rem 0 }
h3 { font-size: 1rem; margin: 0; display: inline } p { margin: .3rem 0 } ul, ol { margin: .3rem 0; padding: 0; list-style: none }
.soft { color: var(--soft) } .good { color: var(--good) } .bad { color: var(--bad) } .busy { color: var(--busy) }
.card { background: var(--card); color: var(--text); border: 1px solid var(--line); border-radius: .5rem; padding: .5rem .9rem;
  margin: .4rem 0 }
#strip { position: sticky; top: 0; z-index: 1; border: 1px solid; border-radius: .5rem; padding: .6rem .9rem; margin-bottom: .8rem;
  color: var(--text); max-height: 45vh; overflow: auto }
#strip.good { background: var(--good-back); border-color: var(--good) }
#strip.busy { background: var(--busy-back); border-color: var(--busy) }
#strip.bad, #strip.lost { background: var(--bad-back); border-color: var(--bad) }
#strip p, #strip ul { margin: 0 } #strip li { color: var(--text) } #strip li.bad strong { color: var(--bad) }
#strip li.busy strong { color: var(--busy) } #strip li.good strong { color: var(--good) } #lost { color: var(--bad); font-weight: 600 }
.title { display: flex; gap: 1rem; align-items: baseline; flex-wrap: wrap }
input { font: inherit; padding: .15rem .5rem; border: 1px solid var(--soft); border-radius: .3rem; background: var(--card);
  color: var(--text) }
.card.bad { border-left: 4px solid var(--bad) } .card.busy { border-left: 4px solid var(--busy) }
summary { cursor: pointer } summary > * { margin-right: .8rem } .word { font-weight: 600 }
.good > summary > :is(h3, .word, .holder) { display: inline-block; vertical-align: top; min-width: 9rem }
.good > summary > .word { min-width: 4rem }
.policy .good { color: inherit } [data-list="policies"] li { margin: .4rem 0 } .ways { padding-left: 1.2rem; margin: 0 }
.ways > li > * { margin-right: .3rem } .commands > li { margin: .2rem 0 }
.move { display: grid; grid-template-columns: 5.5rem minmax(14rem, 2fr) minmax(10rem, 1fr) minmax(12rem, 1fr); gap: 0 1rem;
  padding: .35rem 0 .35rem .7rem; border-left: 3px solid var(--good); margin: .3rem 0 }
.move.unplanned { border-color: var(--busy) } .move > p { grid-column: 2 / -1; margin: 0 }
.chips { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(20rem, 100%), 1fr)); gap: .5rem }
.chip { border: 1px solid var(--line); border-radius: .5rem; padding: .3rem .6rem } .chip > * { margin-right: .4rem }
.chip.active { border: 2px solid var(--good) } .chip.next { border: 2px dashed var(--good) }
.chip.taking-over { border: 2px solid var(--busy) } .taking-over .role { color: var(--busy) } .chip.out { border-color: var(--bad) }
.role, .mark { font-size: .85rem; font-weight: 600 } .active .role, .next .role { color: var(--good) } .out .role { color: var(--bad) }
.mark { color: var(--busy) }
code { font: 13px/1.5 ui-monospace, monospace; background: var(--page); color: var(--text); padding: .1rem .3rem; border-radius: .2rem }
button { font: inherit; font-size: .8rem; color: var(--text); background: var(--card); border: 1px solid var(--soft);
  border-radius: .3rem; cursor: pointer }
.live { display: none } .is-live .live { display: inline-block }
[data-list]:not(:empty) ~ .empty { display: none } [hidden] { display: none !important }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px }
footer a { margin: 0 .3rem }
@media (max-width: 40rem) {
  body { padding: .6rem } .bad > summary > span, .busy > summary > span { display: block } #strip { max-height: 6.5rem }
  .good > summary > :is(h3, .word, .holder) { min-width: 0 } .move { display: block } .move > span { margin-right: .6rem }
}
`;
