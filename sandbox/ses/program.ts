/**
 * One ES module as one function expression, which is what a SES compartment evaluates. Line numbers stay.
 *
 * - Imports of granted modules become constants in front of the program, on its first line.
 * - Exports lose their keyword; getters read them, so that they stay live.
 * - Text in literals and comments that SES's own search for dynamic import and HTML comments would mistake for them is
 *   written in another way with the same meaning (only a pattern's `source` and a raw template show it). Real
 *   `import()` is refused with its place.
 * - `Function('return this')()`, the old way to the global object, finds it, though functions are strict here.
 *
 * SES repeats its search on what comes out of here, so a mistake here refuses a program; it lets none out.
 */
import { type Token, parse, tokenizer } from 'acorn'
import type { CofferError } from '../../formats/errors.js'
import { programInvalid } from '../failures.js'

export interface ProgramOptions {
  readonly name: string
  /** Granted modules by specifier, with their exports. */
  readonly modules: ReadonlyMap<string, readonly string[]>
  /**
   * Globals that are read once, before the program: a free variable costs 300 ns each time in SES, a local one
   * nothing. The price: a program that replaces one of them sees that only through `globalThis`.
   */
  readonly globals: readonly string[]
}

/**
 * @returns Text of a function `(modules, meta, setNamespace) => Promise | undefined`: `modules` holds the exports by
 *   specifier, `setNamespace` is given an object with a getter for each export before the program begins.
 * @throws CofferError COFFER_PROGRAM_INVALID with line and column.
 */
export function moduleToFunction(source: string, options: ProgramOptions): string {
  const rewriter = new Rewriter(source, options)
  let program: any
  try {
    program = parse(source, {
      ecmaVersion: 'latest',
      sourceType: 'module',
      allowHashBang: true,
      onComment: (_block, _text, start, end) => rewriter.comment(start, end),
      onToken: token => rewriter.token(token)
    })
  } catch (error) {
    const { loc, message } = error as { loc?: { line: number; column: number }; message: string }
    throw invalid(options.name, loc, message.replace(/ \(\d+:\d+\)$/, ''))
  }
  return rewriter.rewrite(program)
}

const invalid = (
  name: string,
  place: { line: number; column: number } | undefined,
  reason: string
): CofferError =>
  programInvalid(
    place === undefined ? `${name}: ${reason}` : `${name}:${place.line}:${place.column + 1}: ${reason}`
  )

class Rewriter {
  readonly #source: string
  readonly #options: ProgramOptions
  /** Replacements by place, none inside another. */
  readonly #edits: { start: number; end: number; text: string }[] = []
  /** Export name to the expression that reads it. */
  readonly #exports = new Map<string, string>()
  /** Declarations in front of the program. */
  readonly #prelude: string[] = []
  /** How our own names begin; none of the program's does. */
  #own = '$coffer'
  #awaits = false
  /** Every name in the program. */
  readonly #names = new Set<string>()
  /** Where the token before ended, and what it was. */
  #lastEnd = -1
  #lastLabel = ''

  constructor(source: string, options: ProgramOptions) {
    this.#source = source
    this.#options = options
  }

  rewrite(program: any): string {
    while ([...this.#names].some(name => name.startsWith(this.#own))) this.#own += '$'
    for (const statement of program.body) this.#statement(statement)
    this.#visit(program, false)

    const own = this.#own
    const declared = this.#options.globals.filter(name => this.#names.has(name))
    const globals = declared.length === 0 ? '' : `let {${declared.join()}}=globalThis;`
    // In the order of a module's namespace.
    const sorted = [...this.#exports].sort(([a], [b]) => (a < b ? -1 : 1))
    const getters = sorted.map(([name, value]) => `get ${JSON.stringify(name)}(){return ${value}}`)
    const setNamespace = `${own}set({__proto__:null,${getters.join()}});`
    const body = this.#apply().replace(/^#!/, '//')
    const async = this.#awaits ? 'async ' : ''
    // The globals stand in a function around the program, which may declare their names anew.
    return (
      `(function(${own}modules,${own}meta,${own}set){'use strict';${globals}return(${async}function(){` +
      `let ${own}default;${this.#prelude.join('')}${setNamespace}${body}\n}).call(undefined)})`
    )
  }

  #edit(start: number, end: number, text: string): void {
    this.#edits.push({ start, end, text })
  }

  /** Take out text, but leave its lines. */
  #remove(start: number, end: number): void {
    this.#edit(start, end, this.#source.slice(start, end).replace(/[^\n\r\u2028\u2029]/g, ' '))
  }

  #apply(): string {
    let text = ''
    let at = 0
    for (const edit of this.#edits.sort((a, b) => a.start - b.start || a.end - b.end)) {
      // Inside something taken out.
      if (edit.start < at) continue
      text += this.#source.slice(at, edit.start) + edit.text
      at = edit.end
    }
    return text + this.#source.slice(at)
  }

  #fail(offset: number, reason: string): CofferError {
    const before = this.#source.slice(0, offset).split(/\r\n|[\n\r\u2028\u2029]/)
    return invalid(this.#options.name, { line: before.length, column: before.at(-1)!.length }, reason)
  }

  // Imports and exports

  #statement(node: any): void {
    switch (node.type) {
      case 'ImportDeclaration': {
        const module = this.#module(node.source)
        for (const specifier of node.specifiers) {
          if (specifier.type === 'ImportNamespaceSpecifier') {
            this.#prelude.push(`const ${specifier.local.name}=${module};`)
            continue
          }
          const name = specifier.type === 'ImportDefaultSpecifier' ? 'default' : nameOf(specifier.imported)
          this.#prelude.push(`const ${specifier.local.name}=${this.#import(node.source, module, name)};`)
        }
        return this.#remove(node.start, node.end)
      }
      case 'ExportNamedDeclaration':
        return this.#exportNamed(node)
      case 'ExportAllDeclaration': {
        const module = this.#module(node.source)
        if (node.exported !== null) this.#exports.set(nameOf(node.exported), module)
        else {
          for (const name of this.#options.modules.get(node.source.value) ?? []) {
            if (name !== 'default' && !this.#exports.has(name))
              this.#exports.set(name, `${module}[${JSON.stringify(name)}]`)
          }
        }
        return this.#remove(node.start, node.end)
      }
      case 'ExportDefaultDeclaration':
        return this.#exportDefault(node)
    }
  }

  /** The expression for an imported module. */
  #module(source: any): string {
    if (!this.#options.modules.has(source.value)) {
      throw this.#fail(source.start, `'${source.value}' cannot be imported: no such module was granted`)
    }
    return `${this.#own}modules[${JSON.stringify(source.value)}]`
  }

  #import(source: any, module: string, name: string): string {
    if (!this.#options.modules.get(source.value)!.includes(name)) {
      throw this.#fail(source.start, `'${source.value}' has no export '${name}'`)
    }
    return `${module}[${JSON.stringify(name)}]`
  }

  #exportNamed(node: any): void {
    if (node.declaration !== null) {
      for (const name of declaredNames(node.declaration)) this.#exports.set(name, name)
      return this.#remove(node.start, node.declaration.start)
    }
    for (const { local, exported } of node.specifiers) {
      const value =
        node.source === null
          ? local.name
          : this.#import(node.source, this.#module(node.source), nameOf(local))
      this.#exports.set(nameOf(exported), value)
    }
    this.#remove(node.start, node.end)
  }

  #exportDefault(node: any): void {
    const { declaration } = node
    const declares = declaration.type === 'FunctionDeclaration' || declaration.type === 'ClassDeclaration'
    if (declares && declaration.id !== null) {
      this.#exports.set('default', declaration.id.name)
      return this.#remove(node.start, declaration.start)
    }
    this.#exports.set('default', `${this.#own}default`)
    // As the value of a property it is named 'default', as it should be.
    const keyword = tokenizer(this.#source.slice(node.start, node.end), {
      ecmaVersion: 'latest',
      sourceType: 'module'
    })
    keyword.getToken()
    const { end } = keyword.getToken()
    const open = `${this.#own}default={default:`
    this.#edit(node.start, node.start + end, open)
    const last = this.#source[node.end - 1] === ';' ? node.end - 1 : node.end
    this.#edit(last, node.end, '}.default;')
  }

  // Inside the program

  /** Find top-level await, import.meta, import(), methods called import, and questions for the global object. */
  #visit(node: any, insideFunction: boolean): void {
    if (Array.isArray(node)) return node.forEach(item => this.#visit(item, insideFunction))
    if (node === null || typeof node !== 'object' || typeof node.type !== 'string') return
    switch (node.type) {
      case 'AwaitExpression':
        if (!insideFunction) this.#awaits = true
        break
      case 'ForOfStatement':
        if (node.await && !insideFunction) this.#awaits = true
        break
      case 'CallExpression':
        if (asksForGlobal(node)) {
          const [{ start, end }] = node.callee.arguments
          this.#edit(start, end, "'return globalThis'")
        }
        break
      case 'ImportExpression':
        throw this.#fail(node.start, 'import() is not offered: all of a title is one module')
      case 'MetaProperty':
        if (node.meta.name === 'import') this.#edit(node.start, node.end, `${this.#own}meta`)
        break
      case 'Property':
      case 'MethodDefinition':
      case 'PropertyDefinition':
        if (
          !node.computed &&
          !node.shorthand &&
          node.key.type === 'Identifier' &&
          node.key.name === 'import'
        ) {
          this.#edit(node.key.start, node.key.end, '"import"')
        }
        break
    }
    const inside = insideFunction || FUNCTIONS.has(node.type)
    for (const key in node) {
      if (key !== 'type' && key !== 'start' && key !== 'end') this.#visit(node[key], inside)
    }
  }

  // Told by the parser as it goes: a list of all tokens would take more memory than the program will

  comment(start: number, end: number): void {
    if (SUSPECT.test(this.#source.slice(start, end))) this.#remove(start, end)
  }

  token({ type, start, end, value }: Token & { value?: string }): void {
    const { label } = type
    const text = this.#source
    // Its value, since a name may be written with escapes.
    if (label === 'name') this.#names.add(value!)
    if (label === 'name' || label === 'privateId' || ACCESS.has(this.#lastLabel)) this.#name(end)
    else if (label === 'string' || label === 'template' || label === 'regexp') this.#literal(start, end)
    else if (this.#lastEnd === start) {
      // `x-->0` is a decrement and a comparison in a module; in a script, which this becomes, a comment may begin there.
      if (text.startsWith('-->', start - 2)) this.#edit(start, start, ' ')
      if (text.startsWith('<!--', start - 1)) this.#edit(start, start, ' ')
    }
    this.#lastEnd = end
    this.#lastLabel = label
  }

  /** Write a name so that its end is no longer found: `$import(x)`, `this.#import(x)`, `it. import(x)`. */
  #name(end: number): void {
    if (!this.#source.startsWith('import', end - 6)) return
    CALLED.lastIndex = end
    if (CALLED.test(this.#source)) this.#edit(end - 6, end - 5, '\\u0069')
  }

  /** Write a literal so that its text is no longer found; escapes mean the same in strings, templates and patterns. */
  #literal(start: number, end: number): void {
    const text = this.#source.slice(start, end)
    if (!SUSPECT.test(text)) return
    const found = /(?<!\\)((?:\\\\)*)(import(?=\s*(?:\(|\/[/*]))|<!--|-->)/g
    const evaded = text.replace(found, (_all, slashes: string, piece: string) => {
      return `${slashes}\\x${piece.charCodeAt(0).toString(16)}${piece.slice(1)}`
    })
    this.#edit(start, end, evaded)
  }
}

/** What SES looks for. */
const SUSPECT = /import\s*(?:\(|\/[/*])|<!--|-->/
/** What makes a name one of those. */
const CALLED = /\s*(?:\(|\/[/*])/y
/** Behind these every word is a name. */
const ACCESS = new Set(['.', '?.'])

const FUNCTIONS = new Set([
  'FunctionDeclaration',
  'FunctionExpression',
  'ArrowFunctionExpression',
  'PropertyDefinition',
  'StaticBlock'
])

/** Whether a call is `Function('return this')()`, with or without `new`. */
function asksForGlobal({ callee, arguments: given }: any): boolean {
  if (given.length > 0 || (callee.type !== 'CallExpression' && callee.type !== 'NewExpression')) return false
  const [body, ...more] = callee.arguments
  return (
    callee.callee.type === 'Identifier' &&
    callee.callee.name === 'Function' &&
    more.length === 0 &&
    body?.type === 'Literal' &&
    /^\s*return\s+this\s*;?\s*$/.test(body.value)
  )
}

/** A module name may be an identifier or a string. */
const nameOf = (node: any): string => (node.type === 'Literal' ? node.value : node.name)

function declaredNames(node: any): string[] {
  switch (node.type) {
    case 'FunctionDeclaration':
    case 'ClassDeclaration':
      return [node.id.name]
    case 'VariableDeclaration':
      return node.declarations.flatMap((declaration: any) => patternNames(declaration.id))
    default:
      throw new Error(`internal: unknown declaration ${node.type}`)
  }
}

function patternNames(node: any): string[] {
  switch (node?.type) {
    case 'Identifier':
      return [node.name]
    case 'ObjectPattern':
      return node.properties.flatMap((property: any) => patternNames(property.value ?? property.argument))
    case 'ArrayPattern':
      return node.elements.flatMap(patternNames)
    case 'AssignmentPattern':
      return patternNames(node.left)
    case 'RestElement':
      return patternNames(node.argument)
    default:
      return []
  }
}
