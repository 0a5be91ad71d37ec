/** The smallest title: a line of text, made for one medium. */
export default function main(args: string[]): number {
  const name = args.join(' ').trim() || 'world'
  console.log(`Hello, ${name}. This program runs from a certified copy.`)
  return 0
}
