import { conform } from './conformance.js'

conform('ses', { engine: 'ses' })
