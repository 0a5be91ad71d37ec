/** `coffer version`. */
import { VERSION } from '../../../formats/version.js'
import type { Outcome } from '../command.js'

export const execute = (): Outcome => ({
  data: { name: 'coffer', version: VERSION, node: process.versions.node },
  text: `coffer ${VERSION}`
})
