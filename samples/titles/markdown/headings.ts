/** Ids for headings, as people who write links to them expect. */
import type MarkdownIt from 'markdown-it'

type Token = ReturnType<MarkdownIt['parse']>[number]

export interface Heading {
  /** 1 to 6. */
  readonly level: number
  /** Without markup. */
  readonly text: string
  /** Unique in its document. */
  readonly id: string
}

/** Find the headings of a parsed text and give each its id attribute. */
export function collectHeadings(tokens: readonly Token[]): Heading[] {
  const taken = new Set<string>()
  const headings: Heading[] = []
  tokens.forEach((token, index) => {
    if (token.type !== 'heading_open') return
    const text = plainText(tokens[index + 1]?.children ?? [])
    const id = uniqueId(text, taken)
    taken.add(id)
    token.attrSet('id', id)
    headings.push({ level: Number(token.tag.slice(1)), text, id })
  })
  return headings
}

const plainText = (inline: readonly Token[]): string =>
  inline
    .map(({ type, content }) =>
      type === 'text' || type === 'code_inline' ? content : type.endsWith('break') ? ' ' : ''
    )
    .join('')

/** 'What is it?' becomes 'what-is-it', a second one 'what-is-it-1'. */
function uniqueId(text: string, taken: ReadonlySet<string>): string {
  const words = text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replace(/\s+/g, '-')
  const base = words || 'section'
  let id = base
  for (let count = 1; taken.has(id); count++) id = `${base}-${count}`
  return id
}
