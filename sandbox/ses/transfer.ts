/** ArrayBuffer.prototype.transfer (ES2024) for Node 20, which lacks it; SES admits it only if it is there before. */
if (!('transfer' in ArrayBuffer.prototype)) {
  const { transfer } = {
    transfer(this: ArrayBuffer, newLength = this.byteLength): ArrayBuffer {
      const moved = structuredClone(this, { transfer: [this] })
      if (newLength === moved.byteLength) return moved
      const resized = new ArrayBuffer(newLength)
      new Uint8Array(resized).set(new Uint8Array(moved, 0, Math.min(newLength, moved.byteLength)))
      return resized
    }
  }
  Object.defineProperty(ArrayBuffer.prototype, 'transfer', {
    value: transfer,
    writable: true,
    configurable: true
  })
}
