/** `coffer version`. */
import type { Outcome } from '../command.js'
import { VERSION } from '../version.js'

export const execute = (): Outcome => ({
  data: { name: 'coffer', version: VERSION, node: process.versions.node },
  text: `coffer ${VERSION}`
})
