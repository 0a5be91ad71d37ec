import { conform } from './conformance.js'

conform('quickjs inline', { engine: 'quickjs', isolation: 'inline' })
