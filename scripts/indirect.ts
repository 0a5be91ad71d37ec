/**
 * Do without a wasm's table: a call through it becomes a call of a function that is given the place in the table too and
 * calls what stands there.
 *
 * V8 makes a table anew for each instance, three objects for each function in it: more than half of what an instance takes
 * beside its memory, and of the time to make it. Code is shared by all instances. What a call may reach stays the same: a
 * place that holds no function of the call's signature is a trap.
 */

interface Signature {
  readonly params: readonly string[]
  readonly result: string | undefined
}

/** Up to this many are told apart one after the other, the commonest, allocation, among them. */
const FEW = 6

/**
 * @param items - What stands directly inside a module, as text; calls through the table by type, the table filled at its start.
 * @throws Error for a module whose table can be reached in another way.
 */
export function withoutTable(items: readonly string[]): string[] {
  const signatures = new Map<string, Signature>()
  const slots: string[] = []
  const kept: string[] = []
  for (const item of items) {
    const [, kind, label] = /^\((?:import "[^"]*" "[^"]*" \()?(func|type) (\$[^\s()]+)/.exec(item) ?? []
    if (label !== undefined) signatures.set(`${kind} ${label}`, signatureOf(item))
    if (item.startsWith('(elem ')) placeInto(slots, item)
    else if (!item.startsWith('(table ')) kept.push(item)
  }
  const callers = new Map<string, string>()
  const direct = kept.map(item =>
    item.replace(/\(call_indirect (?:\$\S+ )?\(type (\$\S+)\)/g, (_, type: string) => {
      const signature = signatures.get(`type ${type}`)!
      const caller = `$through${nameOf(signature)}`
      if (!callers.has(caller)) {
        const isCalled = (label: string | undefined) =>
          label !== undefined && nameOf(signatures.get(`func ${label}`)!) === nameOf(signature)
        const targets = Array.from(slots, label => (isCalled(label) ? label : undefined))
        callers.set(caller, callerOf(caller, signature, targets))
      }
      return `(call ${caller}`
    })
  )
  const reached = /\((?:call_indirect|return_call_indirect|table\.\w+|ref\.func) .*/
  for (const item of direct) {
    const [found] = reached.exec(item) ?? []
    if (found !== undefined) throw new Error(`the engine has changed: it uses its table by ${found}`)
  }
  return [...direct, ...callers.values()]
}

/** What a function or type takes and gives, whether its text names it or not. */
function signatureOf(item: string): Signature {
  const head = item.split('\n', 1)[0]!
  const params = [...head.matchAll(/\(param (?:\$\S+ )?([^)]*)\)/g)].flatMap(([, types]) => types!.split(' '))
  return { params, result: /\(result (\w+)\)/.exec(head)?.[1] }
}

const nameOf = ({ params, result }: Signature): string => `.${params.join('.')}.to.${result ?? 'nothing'}`

function placeInto(slots: string[], item: string): void {
  const [, start, rest] = /^\(elem \$\S+ \(i32\.const (\d+)\)([^()]*)\)$/.exec(item) ?? []
  if (start === undefined)
    throw new Error(`the engine has changed: its table is filled by ${item.slice(0, 80)}`)
  const labels = rest!.split(/\s+/).filter(word => word.startsWith('$'))
  labels.forEach((label, i) => (slots[Number(start) + i] = label))
}

/** A function that calls what stands at a place, its last parameter. @param targets - By place. */
function callerOf(
  name: string,
  { params, result }: Signature,
  targets: readonly (string | undefined)[]
): string {
  const place = `(local.get ${params.length})`
  const call = (target: string) =>
    `(return (call ${target} ${params.map((_, i) => `(local.get ${i})`).join(' ')}))`
  const labels = [...new Set(targets)].filter(label => label !== undefined)
  let body: string
  if (labels.length <= FEW) {
    const tests = targets.flatMap((label, at) =>
      label === undefined ? [] : [`(if (i32.eq ${place} (i32.const ${at})) (then ${call(label)}))`]
    )
    body = tests.join('\n')
  } else {
    const cases = targets.map(label => (label === undefined ? '$none' : `$to${labels.indexOf(label)}`))
    body = `(br_table ${cases.join(' ')} $none ${place})`
    labels.forEach((label, i) => (body = `(block $to${i} ${body})\n${call(label)}`))
    body = `(block $none ${body})`
  }
  const types = `(param ${[...params, 'i32'].join(' ')})${result === undefined ? '' : ` (result ${result})`}`
  return `(func ${name} ${types}\n${body}\n(unreachable))`
}
