import { conform } from './conformance.js'

conform('quickjs thread', { engine: 'quickjs', isolation: 'thread' })
