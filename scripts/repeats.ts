/**
 * Find the functions of a wasm that have to take fuel when they are called, so that nothing can go on for long without
 * taking any.
 *
 * What goes on without an end turns loops or calls functions. Loops are metered where they stand (meter.ts). Calls go on
 * only along a cycle in the graph of who calls whom, so of each cycle one function is enough. And without any cycle, calls
 * that call twice each, forty deep, would take years: so wherever what one call can come to has grown to some size, its
 * function takes fuel too.
 *
 * What memory says decides none of this: a call through the table is taken for a call of everything in the table that
 * has its signature.
 */

/** The text of one function, as binaryen writes it: `(func $12 (param $0 i32) (result i32)`, then lines of the body. */
type FunctionText = string

/** Instructions, were all branches of a function taken at once: what a call may come to before its function takes fuel. */
const STRETCH = 30_000
/** The same for what the interpreter calls by itself, since its instructions may come by the thousand. */
const SHORT_STRETCH = 150

export interface Repeats {
  /** Labels of the functions that are to take fuel when called. */
  readonly functions: ReadonlySet<string>
  /** The most instructions that one unit of fuel pays for, if all branches of a function were taken at once. */
  readonly longestStretch: number
}

/**
 * @param items - What stands directly inside a module, as text; indirect calls by type, the table filled at its start.
 * @param interpreter - Takes fuel in any case.
 */
export function findRepeats(items: readonly string[], interpreter: string): Repeats {
  const graph = readGraph(items)
  const metered = new Set([interpreter])
  for (let cycles = cyclesOf(graph, metered); cycles.length > 0; cycles = cyclesOf(graph, metered)) {
    for (const cycle of cycles) for (const label of cut(graph, cycle)) metered.add(label)
  }
  let longestStretch = 0
  const costs = new Map<string, number>()
  for (const label of calleesFirst(graph, metered)) {
    const { calls, instructions } = graph.get(label)!
    const below = calls.reduce((sum, targets) => {
      const unpaid = targets.filter(target => !metered.has(target))
      return sum + Math.max(0, ...unpaid.map(target => costs.get(target)!))
    }, 0)
    const cost = instructions + below
    costs.set(label, cost)
    longestStretch = Math.max(longestStretch, cost)
    if (cost > (graph.get(interpreter)!.targets.has(label) ? SHORT_STRETCH : STRETCH)) metered.add(label)
  }
  return { functions: metered, longestStretch }
}

interface Node {
  /** By place in the function: one target, or all that a call through the table may have. */
  readonly calls: readonly (readonly string[])[]
  readonly targets: ReadonlySet<string>
  readonly instructions: number
}

type Graph = ReadonlyMap<string, Node>

function readGraph(items: readonly string[]): Graph {
  const bodies = new Map<string, FunctionText>()
  const signatures = new Map<string, string>()
  const inTable = new Set<string>()
  for (const item of items) {
    const [, kind, label, head] = /^\((func|type) (\S+)(.*)/.exec(item) ?? []
    if (kind === undefined) {
      if (item.startsWith('(elem '))
        for (const [target] of item.matchAll(/\$[^\s()]+(?=[\s)])/g)) inTable.add(target)
      continue
    }
    signatures.set(`${kind} ${label!}`, signature(head!))
    if (kind === 'func') bodies.set(label!, item)
  }
  const bySignature = new Map<string, string[]>()
  for (const label of inTable) {
    const type = signatures.get(`func ${label}`)
    // The elem's own name is in its text too.
    if (type !== undefined) bySignature.set(type, [...(bySignature.get(type) ?? []), label])
  }
  const graph = new Map<string, Node>()
  for (const [label, body] of bodies) {
    const calls: (readonly string[])[] = []
    for (const [, target, type] of body.matchAll(
      /\(call(?: (\$[^\s()]+)|_indirect (?:\$\S+ )?\(type (\$\S+)\))/g
    )) {
      if (type !== undefined) calls.push(bySignature.get(signatures.get(`type ${type}`)!) ?? [])
      else if (bodies.has(target!)) calls.push([target!])
    }
    graph.set(label, { calls, targets: new Set(calls.flat()), instructions: body.split('\n').length })
  }
  return graph
}

/** Types of parameters and result, without names. */
function signature(head: string): string {
  const types = (keyword: string) =>
    [...head.matchAll(new RegExp(String.raw`\(${keyword} (?:\$\S+ )?([^()]*)\)`, 'g'))]
      .map(([, list]) => list)
      .join(' ')
  return `${types('param')} -> ${types('result')}`
}

/** Sets of functions that reach each other without a metered one (Tarjan's strongly connected components). */
function cyclesOf(graph: Graph, metered: ReadonlySet<string>): string[][] {
  const cycles: string[][] = []
  visit(graph, metered, component => {
    if (component.length > 1 || graph.get(component[0]!)!.targets.has(component[0]!)) cycles.push(component)
  })
  return cycles
}

/** Functions that are not metered behind all that they call; graph without cycles. */
function calleesFirst(graph: Graph, metered: ReadonlySet<string>): string[] {
  const order: string[] = []
  visit(graph, metered, component => order.push(...component))
  // The metered ones call too, and nobody counts on what they come to.
  return [...order, ...metered]
}

function visit(graph: Graph, metered: ReadonlySet<string>, found: (component: string[]) => void): void {
  const numbers = new Map<string, number>()
  const lowest = new Map<string, number>()
  const stack: string[] = []
  const onStack = new Set<string>()
  const enter = (label: string) => {
    const number = numbers.size
    numbers.set(label, number)
    lowest.set(label, number)
    stack.push(label)
    onStack.add(label)
    for (const target of graph.get(label)!.targets) {
      if (metered.has(target)) continue
      if (!numbers.has(target)) {
        enter(target)
        lowest.set(label, Math.min(lowest.get(label)!, lowest.get(target)!))
      } else if (onStack.has(target)) lowest.set(label, Math.min(lowest.get(label)!, numbers.get(target)!))
    }
    if (lowest.get(label) !== number) return
    const component = stack.splice(stack.indexOf(label))
    for (const member of component) onStack.delete(member)
    found(component)
  }
  for (const label of graph.keys()) if (!metered.has(label) && !numbers.has(label)) enter(label)
}

/** What to meter of functions that reach each other: those that call themselves, else the one most cycles lead through. */
function cut(graph: Graph, cycle: readonly string[]): string[] {
  const selves = cycle.filter(label => graph.get(label)!.targets.has(label))
  if (selves.length > 0) return selves
  const members = new Set(cycle)
  const into = new Map<string, number>()
  const outOf = new Map<string, number>()
  for (const label of cycle) {
    for (const target of graph.get(label)!.targets) {
      if (!members.has(target)) continue
      into.set(target, (into.get(target) ?? 0) + 1)
      outOf.set(label, (outOf.get(label) ?? 0) + 1)
    }
  }
  const weight = (label: string) => (into.get(label) ?? 0) * (outOf.get(label) ?? 0)
  return [cycle.reduce((most, label) => (weight(label) > weight(most) ? label : most))]
}
