/**
 * Meter the interpreter's loop over a guest's instructions, in the text of wasm.
 *
 * Fuel at each turn would cost a guest a fifth of its speed, so it is taken only where it has to be: the loop can go on
 * for ever only if the pointer to the next instruction is moved back. It is one local. Wherever that is given anything
 * but itself, or the address of the present instruction, plus a constant, fuel is taken: those are the jumps. And as
 * instructions without jumps may fill a guest's memory, fuel is taken at the head of the loop while the instruction lies
 * in the first bytes of each kilobyte, which none is long enough to step over: one machine instruction per turn.
 *
 * At the head nothing may be called, since V8 would keep all that the loop holds in memory around it. What is taken there
 * is settled at the next jump, call or loop. Megabytes without any of these are no compiler's; they end in a trap.
 *
 * That all this is so is checked here for the text at hand, so that it holds whatever instructions there are.
 */
export interface Dispatch {
  readonly text: string
  /** The line that opens the loop, which needs no fuel at its head. */
  readonly loop: string
  readonly jumps: number
}

/** Instructions in the first ones of so many bytes take fuel. Both powers of two. */
const WINDOW_BYTES = 1024
const MARK_BYTES = 32

const HEAD =
  /\(local\.set (\$\d+)\s+\(i32\.add\s+\(local\.tee (\$\d+)\s+\(local\.get \1\)\s+\)\s+\(i32\.const 1\)\s+\)\s+\)/

/**
 * @param text - The interpreter's function.
 * @param atJump - Code for a jump.
 * @param atKilobyte - Code for an instruction in the first bytes of a kilobyte.
 * @throws Error when the function is built in another way.
 */
export function meterDispatch(text: string, atJump: string, atKilobyte: string): Dispatch {
  const head = HEAD.exec(text)
  if (head === null || text.match(new RegExp(HEAD, 'g'))!.length !== 1) throw changed('no head of a loop')
  const [, next, present] = head as unknown as [string, string, string]
  const edits: { at: number; end: number; with: string }[] = []
  const dispatch = enclosingLoop(parse(text), head.index)

  const named = (local: string) => local.replace('$', String.raw`\$`)
  const forward = new RegExp(
    String.raw`^\(local\.(?:set|tee) ${named(next)}\s+\(i32\.add\s+\(local\.get (${named(next)}|${named(present)})\)\s+\(i32\.const (\d+)\)\s+\)\s+\)$`
  )
  const writes: Node[] = []
  const collect = (node: Node) => {
    if (isWrite(node, next)) writes.push(node)
    for (const child of node.children) collect(child)
  }
  collect(dispatch)
  const steps = new Map<Node, string>()
  for (const node of writes) {
    if (node.start === head.index) continue
    const whole = text.slice(node.start, node.end)
    const [, from, step] = forward.exec(whole) ?? []
    if (Number(step) >= 1 && Number(step) < MARK_BYTES) steps.set(node, from!)
    else if (node.children.some(child => contains(child, writes))) throw changed('a jump within a jump')
    else if (node.head.startsWith('local.set')) edits.push({ at: node.end, end: node.end, with: atJump })
    else {
      const set = whole.replace('local.tee', 'local.set')
      edits.push({
        at: node.start,
        end: node.end,
        with: `(block (result i32) ${set} ${atJump} (local.get ${next}))`
      })
    }
  }
  const jumps = edits.length
  checkIntact(dispatch, head.index, present, node => steps.get(node) === present)
  const mark = `(if (i32.eqz (i32.and (local.get ${present}) (i32.const ${WINDOW_BYTES - MARK_BYTES}))) (then ${atKilobyte}))`
  edits.push({ at: head.index + head[0].length, end: head.index + head[0].length, with: mark })
  edits.sort((a, b) => a.at - b.at)
  let metered = ''
  let at = 0
  for (const edit of edits) {
    metered += text.slice(at, edit.at) + edit.with
    at = edit.end
  }
  return { text: metered + text.slice(at), loop: `(${dispatch.head}`, jumps }
}

/** An expression: its text from `(` to `)`, the words before its first part, and its parts. */
interface Node {
  readonly start: number
  end: number
  head: string
  readonly children: Node[]
}

function parse(text: string): Node {
  const root: Node = { start: 0, end: text.length, head: '', children: [] }
  const open = [root]
  for (const { 0: sign, index } of text.matchAll(/\(([^()]*)|\)/g)) {
    if (sign === ')') open.pop()!.end = index + 1
    else {
      const node: Node = { start: index, end: index, head: sign.slice(1).trim(), children: [] }
      open.at(-1)!.children.push(node)
      open.push(node)
    }
  }
  return root
}

const isWrite = ({ head }: Node, local: string): boolean =>
  head === `local.set ${local}` || head === `local.tee ${local}`

const contains = (node: Node, writes: readonly Node[]): boolean =>
  writes.includes(node) || node.children.some(child => contains(child, writes))

/** The loop that has the expression at this place as one of its own statements, with no way back to it before. */
function enclosingLoop(root: Node, start: number): Node {
  const path: Node[] = [root]
  for (;;) {
    const inner = path.at(-1)!.children.find(child => child.start <= start && start < child.end)
    if (inner === undefined || inner.start === start) break
    path.push(inner)
  }
  const loop = path.at(-1)!
  const before = loop.children.filter(child => child.start < start)
  if (!loop.head.startsWith('loop ') || before.some(child => JSON.stringify(child).includes('"br')))
    throw changed('the loop begins with something else')
  return loop
}

/** Unreachable. */
const NOWHERE = undefined
type Intact = boolean | typeof NOWHERE

/** Whether the local has the value that it got at the head of the loop, at each place where that is counted on. */
function checkIntact(loop: Node, headStart: number, local: string, counts: (node: Node) => boolean): void {
  const atEnd = new Map<string, Intact>()
  const both = (a: Intact, b: Intact): Intact => (a === NOWHERE ? b : b === NOWHERE ? a : a && b)
  const leave = (label: string, state: Intact) => atEnd.set(label, both(atEnd.get(label), state))
  const inOrder = (nodes: readonly Node[], state: Intact) =>
    nodes.reduce((now, node) => walk(node, now), state)
  const clobbers = (node: Node): boolean => isWrite(node, local) || node.children.some(clobbers)

  const walk = (node: Node, state: Intact): Intact => {
    const [word, label] = node.head.split(' ', 2) as [string, string]
    if (node.start === headStart) return true
    switch (word) {
      case 'block': {
        atEnd.set(label, NOWHERE)
        return both(inOrder(node.children, state), atEnd.get(label))
      }
      case 'loop':
        return inOrder(node.children, clobbers(node) && node !== loop ? false : state)
      case 'if': {
        const [then, otherwise] = ['then', 'else'].map(part =>
          node.children.find(({ head }) => head === part)
        )
        const condition = node.children.filter(child => child !== then && child !== otherwise)
        const decided = inOrder(condition, state)
        return both(
          inOrder(then!.children, decided),
          otherwise ? inOrder(otherwise.children, decided) : decided
        )
      }
      case 'br':
        leave(label, inOrder(node.children, state))
        return NOWHERE
      case 'br_if': {
        const after = inOrder(node.children, state)
        leave(label, after)
        return after
      }
      case 'br_table': {
        const after = inOrder(node.children, state)
        for (const target of node.head.split(/\s+/).slice(1)) leave(target, after)
        return NOWHERE
      }
      case 'return':
      case 'unreachable':
        inOrder(node.children, state)
        return NOWHERE
    }
    const after = inOrder(node.children, state)
    if (counts(node) && after === false) throw changed('a step from somewhere else')
    return isWrite(node, local) && after !== NOWHERE ? false : after
  }
  walk(loop, false)
}

const changed = (what: string) =>
  new Error(`the engine has changed: its interpreter runs in another way (${what})`)
