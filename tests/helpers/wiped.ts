/** What is wiped: secrets that a step made for itself cannot be looked at from outside, but that they are overwritten can. */

/** @returns in hexadecimal, what each array of `bytes` bytes held that was filled with zeros meanwhile, in this order. */
export async function wipedWhile(bytes: number, action: () => unknown): Promise<readonly string[]> {
  const arrays = Object.getPrototypeOf(Uint8Array.prototype) as { fill: Uint8Array['fill'] }
  const { fill } = arrays
  const wiped: string[] = []
  arrays.fill = function (this: Uint8Array, ...args: Parameters<Uint8Array['fill']>) {
    if (this instanceof Uint8Array && this.length === bytes && args[0] === 0)
      wiped.push(Buffer.from(this).toString('hex'))
    return fill.apply(this, args)
  } as Uint8Array['fill']
  try {
    await action()
    return wiped
  } finally {
    arrays.fill = fill
  }
}
