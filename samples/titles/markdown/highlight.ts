/** Colours for code: highlight.js with the languages that documents are full of. */
import hljs from 'highlight.js/lib/core'
import bash from 'highlight.js/lib/languages/bash'
import c from 'highlight.js/lib/languages/c'
import css from 'highlight.js/lib/languages/css'
import diff from 'highlight.js/lib/languages/diff'
import go from 'highlight.js/lib/languages/go'
import java from 'highlight.js/lib/languages/java'
import javascript from 'highlight.js/lib/languages/javascript'
import json from 'highlight.js/lib/languages/json'
import python from 'highlight.js/lib/languages/python'
import rust from 'highlight.js/lib/languages/rust'
import sql from 'highlight.js/lib/languages/sql'
import typescript from 'highlight.js/lib/languages/typescript'
import xml from 'highlight.js/lib/languages/xml'
import yaml from 'highlight.js/lib/languages/yaml'

const LANGUAGES = { bash, c, css, diff, go, java, javascript, json, python, rust, sql, typescript, xml, yaml }

/** Longer blocks stay plain: colours cost far more time than the rest of a document. */
const LONGEST_CHARACTERS = 20_000

let isReady = false

/** Grammars are compiled when the first block needs them, so that plain documents start at once. */
function ready(): typeof hljs {
  if (!isReady) for (const [name, grammar] of Object.entries(LANGUAGES)) hljs.registerLanguage(name, grammar)
  isReady = true
  return hljs
}

/** Names of the languages that are coloured. */
export const languages = (): string[] => Object.keys(LANGUAGES)

/** HTML of a code block; '' leaves it as it is. The language may be an alias, such as js or sh. */
export function highlight(code: string, language: string): string {
  if (language === '' || code.length > LONGEST_CHARACTERS) return ''
  const known = ready().getLanguage(language)
  return known === undefined ? '' : hljs.highlight(code, { language, ignoreIllegals: true }).value
}
