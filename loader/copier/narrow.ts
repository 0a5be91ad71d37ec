/**
 * Where a program fails to compile, when the engine does not say: the innermost statement without which the failure is
 * another or none. QuickJS names no place for what it finds only in its finished code.
 */
import { parse, type Node } from 'acorn'

/**
 * @param code - An ES module that parses.
 * @param fails - Whether a module fails to compile in the way that is looked for.
 * @returns Line and column, both counted from 1; undefined when no single statement is to blame.
 */
export function narrowFailure(
  code: string,
  fails: (code: string) => boolean
): { line: number; column: number } | undefined {
  let inside: Node = parse(code, { ecmaVersion: 'latest', sourceType: 'module', locations: true })
  let found: Node | undefined
  for (;;) {
    const culprit = culpritOf(code, statementsIn(inside), fails)
    if (culprit === undefined) break
    found = inside = culprit
  }
  return found?.loc ? { line: found.loc.start.line, column: found.loc.start.column + 1 } : undefined
}

/** The one statement without which it does not fail, by halving: leaving out more than it does not bring it back. */
function culpritOf(
  code: string,
  statements: readonly Node[],
  fails: (code: string) => boolean
): Node | undefined {
  let [without, enough] = [0, statements.length]
  if (enough === 0 || fails(leavingOut(code, statements))) return undefined
  while (without + 1 < enough) {
    const middle = (without + enough) >> 1
    if (fails(leavingOut(code, statements.slice(0, middle)))) without = middle
    else enough = middle
  }
  const culprit = statements[enough - 1]!
  return fails(leavingOut(code, [culprit])) ? undefined : culprit
}

/** The same text with empty statements in the place of some, every other character where it was. */
function leavingOut(code: string, statements: readonly Node[]): string {
  let text = ''
  let at = 0
  for (const { start, end } of statements) {
    text += `${code.slice(at, start)};${code.slice(start + 1, end).replace(/[^\n]/g, ' ')}`
    at = end
  }
  return text + code.slice(at)
}

/** The nearest statements within a node, those in functions of its expressions included. */
function statementsIn(node: Node): Node[] {
  return childrenOf(node).flatMap(child => {
    // A block, and a module's export or import, stand for what is in them: an empty statement cannot.
    const isStatement =
      /(?:Statement|Declaration)$/.test(child.type) && !/^(?:Block|Export|Import)/.test(child.type)
    return isStatement ? [child] : statementsIn(child)
  })
}

const childrenOf = (node: Node): Node[] =>
  Object.values(node)
    .flat()
    .filter((value): value is Node => typeof (value as Node | null)?.type === 'string')
