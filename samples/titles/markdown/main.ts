/**
 * A document plugin: Markdown in, HTML out, with headings that can be linked to and code in colours. It asks for no
 * permission, so the worst it can do to the app that loads it is to return a wrong text.
 */
import MarkdownIt from 'markdown-it'
import { collectHeadings, type Heading } from './headings.js'
import { highlight, languages } from './highlight.js'
import { page } from './page.js'

export { languages, type Heading }

export interface RenderOptions {
  /** A whole page with a style sheet instead of a fragment. Default false. */
  readonly page?: boolean
  /** The page's title; default: its first heading. */
  readonly title?: string
  /** Colour code blocks whose language is known. Default true. */
  readonly highlight?: boolean
  /** Turn bare addresses into links. Default true. */
  readonly linkify?: boolean
  /** Straight quotes to curly ones, three dots to an ellipsis. Default false. */
  readonly typographer?: boolean
  /** A line break in a paragraph stays one. Default false. */
  readonly breaks?: boolean
}

/** Each option with the type it has to have; what is not listed is refused, so that a misspelt one is noticed. */
const OPTION_TYPES: Record<keyof RenderOptions, 'boolean' | 'string'> = {
  page: 'boolean',
  title: 'string',
  highlight: 'boolean',
  linkify: 'boolean',
  typographer: 'boolean',
  breaks: 'boolean'
}

/**
 * Render CommonMark with tables and strikethrough.
 *
 * Raw HTML in the text is shown, not passed through, and links to scripts stay text: no script gets into the
 * page, whoever wrote the Markdown.
 *
 * @throws TypeError for a text that is none, or an option that does not exist or has the wrong type.
 */
export function render(markdown: string, options: RenderOptions = {}): string {
  checkText(markdown)
  checkOptions(options)
  const { headings, html } = run(markdown, options)
  if (options.page !== true) return html
  return page(options.title ?? headings[0]?.text ?? 'Untitled', html)
}

/** The headings in their order, with the ids that `render` gives them. @throws TypeError for a text that is none. */
export function toc(markdown: string): Heading[] {
  checkText(markdown)
  return run(markdown, { highlight: false }).headings
}

/** One for all calls: making one compiles large expressions, which takes longer than rendering most documents. */
let parser: MarkdownIt | undefined

function run(markdown: string, options: RenderOptions): { headings: Heading[]; html: string } {
  const { highlight: wantsColours = true, linkify = true, typographer = false, breaks = false } = options
  parser ??= new MarkdownIt({ html: false })
  parser.set({ linkify, typographer, breaks, highlight: wantsColours ? highlight : null })
  const tokens = parser.parse(markdown, {})
  const headings = collectHeadings(tokens)
  return { headings, html: parser.renderer.render(tokens, parser.options, {}) }
}

function checkText(markdown: unknown): void {
  if (typeof markdown !== 'string') throw new TypeError(`Markdown is a text, not ${typeof markdown}`)
}

function checkOptions(options: object): void {
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(OPTION_TYPES, name)) throw new TypeError(`There is no option '${name}'`)
    const wanted = OPTION_TYPES[name as keyof RenderOptions]
    if (value !== undefined && typeof value !== wanted) {
      throw new TypeError(`Option '${name}' is a ${wanted}, not ${typeof value}`)
    }
  }
}

const SAMPLE = `# Markdown

A plugin renders **this** for the app that loads it:

\`\`\`js
const html = await guest.call('render', '# hi', { page: true })
\`\`\`

| export      | gives                              |
| ----------- | ---------------------------------- |
| render      | HTML of a Markdown text            |
| toc         | its headings, with their ids       |
| languages   | the languages that are coloured    |
`

/** Started by itself it renders its arguments, one per line, or a sample. */
export default function main(args: string[]): number {
  console.log(render(args.length > 0 ? args.join('\n') : SAMPLE).trimEnd())
  if (args.length === 0)
    console.error('\nThis title is a plugin. To try it, give it Markdown: -- "# Hello" "" "*world*"')
  return 0
}
