/** What all pages share: their frame, their looks, and the headers that let a browser do nothing else with them. */
import { html, raw } from 'hono/html'
import type { HtmlEscapedString } from 'hono/utils/html'
import { isoTime } from '../orders/requests.js'

export type Html = HtmlEscapedString | Promise<HtmlEscapedString>

/** No script at all, nothing from elsewhere, shown in no frame, forms to nobody but us. */
export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  // With no-referrer a browser says `Origin: null` of our own forms; without TLS it tells nothing else of where they are from.
  'referrer-policy': 'same-origin',
  'x-frame-options': 'DENY',
  'cross-origin-opener-policy': 'same-origin',
  'permissions-policy': 'camera=(), microphone=(), geolocation=(), payment=(), usb=()'
}

export interface Place {
  readonly href: string
  readonly name: string
}

export const page = (center: string, title: string, places: readonly Place[], content: Html): Html =>
  html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title} &middot; ${center}</title>
        <link rel="stylesheet" href="/style.css" />
      </head>
      <body>
        <a class="skip" href="#content">To the content</a>
        <header>
          <a class="brand" href="/">${center}</a>
          <nav aria-label="Pages">
            ${places.map(({ href, name }) => html`<a href="${href}" ${name === title ? raw('aria-current="page"') : ''}>${name}</a>`)}
          </nav>
        </header>
        <main id="content">
          <h1>${title}</h1>
          ${content}
        </main>
      </body>
    </html>`

/** A table with a caption for those who hear it. @param none - Said in the place of a table without rows. */
export function table(
  caption: string,
  heads: readonly string[],
  rows: readonly (readonly (string | Html)[])[],
  none: string
): Html {
  if (rows.length === 0) return html`<p class="none">${none}</p>`
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${caption}">
    <table>
      <caption>
        ${caption}
      </caption>
      <thead>
        <tr>
          ${heads.map(head => html`<th scope="col">${head}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          row =>
            html`<tr>
              ${row.map(cell => html`<td>${cell}</td>`)}
            </tr>`
        )}
      </tbody>
    </table>
  </div>`
}

export const code = (text: string): Html => html`<code title="${text}">${text.slice(0, 10)}</code>`

export const time = (seconds: number | null): Html =>
  seconds === null
    ? html`no end`
    : html`<time datetime="${isoTime(seconds)}">${isoTime(seconds).slice(0, 16).replace('T', ' ')}</time>`

export const notice = (kind: 'good' | 'bad', text: string): Html =>
  html`<p class="notice ${kind}" role="${kind === 'bad' ? 'alert' : 'status'}">${text}</p>`

export const STYLE = `
:root { color-scheme: light dark; --ink: #1d2430; --paper: #fbfbf9; --soft: #eeeeea; --line: #d6d6d0; --edge: #767d86; --mark: #0b5a8c;
  --bad: #9c1c1c; --good: #1c6b34; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8ea; --paper: #16191d; --soft: #20252b; --line: #363d45; --edge: #7d8791;
  --mark: #7cc0ee; --bad: #f09a9a; --good: #8fd6a4; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
.skip { position: absolute; left: -999px; } .skip:focus { left: 1rem; top: .5rem; background: var(--paper); padding: .3rem; }
header { display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; align-items: baseline; padding: .8rem 1.5rem;
  border-bottom: 1px solid var(--line); }
.brand { font-weight: 700; font-size: 1.1rem; color: var(--ink); text-decoration: none; }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1rem; }
a { color: var(--mark); } nav a { text-decoration: none; padding: .1rem 0; }
nav a[aria-current] { color: var(--ink); border-bottom: 2px solid var(--mark); }
main { max-width: 70rem; margin: 0 auto; padding: 1rem 1.5rem 4rem; }
h1 { font-size: 1.6rem; margin: .6rem 0 1rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .6rem; }
.scroll { overflow-x: auto; } .scroll + .scroll { margin-top: 1.5rem; } .scroll + form { margin-top: 1rem; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th, td { text-align: left; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid var(--line); vertical-align: top;
  white-space: nowrap; }
th { font-weight: 600; font-size: .85rem; } code { font: .9em ui-monospace, monospace; }
form.inline { display: inline; } form.stack { display: grid; gap: .8rem; max-width: 26rem; }
label { display: grid; grid-template-columns: minmax(0, max-content); gap: .2rem; font-weight: 600; } label small { font-weight: 400; }
label.tick { display: flex; gap: .5rem; align-items: center; }
input, select { max-width: 100%; font: inherit; font-weight: 400; padding: .4rem .5rem; border: 1px solid var(--edge); border-radius: 4px; background: var(--paper);
  color: var(--ink); } input[type=file] { background: var(--soft); }
button { font: inherit; padding: .4rem .9rem; border: 1px solid var(--mark); border-radius: 4px; background: var(--mark);
  color: var(--paper); cursor: pointer; justify-self: start; }
button.quiet { background: none; color: var(--mark); } button.danger { background: none; color: var(--bad);
  border-color: var(--bad); padding: .1rem .6rem; }
:focus-visible { outline: 3px solid var(--mark); outline-offset: 2px; }
.notice { padding: .6rem .9rem; border-left: 4px solid; background: var(--soft); }
.bad { border-color: var(--bad); color: var(--bad); } .good { border-color: var(--good); color: var(--good); }
.none { color: inherit; opacity: .75; } .figures { display: flex; flex-wrap: wrap; gap: 1rem; padding: 0; list-style: none; }
.figures li { background: var(--soft); padding: .7rem 1.1rem; border-radius: 6px; min-width: 9rem; }
.figures b { display: block; font-size: 1.4rem; }
svg.chart { width: 100%; height: auto; } .chart rect { fill: var(--mark); } .chart text { fill: var(--ink); font: 11px system-ui; }
.chart line { stroke: var(--line); }
@media (max-width: 40rem) { .chart text { font-size: 22px; } .chart text.least { display: none; } }
`
