/** A plugin of the app samples/hosts/tidy: settings, `name = value`, with the signs below each other. */

const SETTING = /^\s*([\w.-]+)\s*=\s*(.*?)\s*$/

/** How sure it is that this is for it, 0 to 1: the share of lines that are settings, sections or comments. */
export function bid(text: string): number {
  const lines = text.split(/\r?\n/).filter(line => line.trim() !== '')
  const known = lines.filter(line => SETTING.test(line) || /^\s*(?:\[.+\]|[#;].*)\s*$/.test(line))
  return lines.length === 0 ? 0 : (0.8 * known.length) / lines.length
}

export function format(text: string): string {
  const lines = text.trimEnd().split(/\r?\n/)
  const width = Math.max(0, ...lines.map(line => SETTING.exec(line)?.[1]!.length ?? 0))
  return `${lines.map(line => line.replace(SETTING, (_, name: string, value: string) => `${name.padEnd(width)} = ${value}`).trim()).join('\n')}\n`
}
