/** A whole page around a rendered text, readable by day and by night. */

const STYLE = `
:root { color-scheme: light dark; --line: #8884; --quiet: #888; --accent: #b5651d; --code: #8881 }
body { max-width: 44rem; margin: 3rem auto; padding: 0 1rem; font: 1.05rem/1.6 Georgia, serif }
h1, h2, h3, h4, h5, h6 { line-height: 1.25; margin: 2em 0 .5em } h1 { margin-top: 0 }
a { color: var(--accent) } img { max-width: 100% }
code, pre { font: .88em/1.5 ui-monospace, Consolas, monospace; background: var(--code); border-radius: 4px }
code { padding: .1em .3em } pre { padding: .8em 1em; overflow-x: auto } pre code { padding: 0; background: none }
blockquote { margin: 0; padding-left: 1em; border-left: 3px solid var(--line); color: var(--quiet) }
table { border-collapse: collapse } th, td { border: 1px solid var(--line); padding: .3em .7em }
hr { border: 0; border-top: 1px solid var(--line) }
.hljs-comment, .hljs-meta { color: var(--quiet) }
.hljs-keyword, .hljs-selector-tag, .hljs-name { color: #a626a4 }
.hljs-string, .hljs-regexp, .hljs-addition { color: #3f8f3a }
.hljs-number, .hljs-literal, .hljs-attr, .hljs-attribute { color: var(--accent) }
.hljs-title, .hljs-built_in, .hljs-type { color: #2a7ab8 }
.hljs-deletion { color: #d0453b }
`.trim()

const escapeText = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')

export const page = (title: string, body: string): string => `<!doctype html>
<html>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeText(title)}</title>
<style>
${STYLE}
</style>
</head>
<body>
${body}</body>
</html>
`
