/** Returns without end on PostgreSQL: a file of its own, since a thousand of them take their time. */
import { usePostgres } from '../helpers/databases.js'

const missing = await usePostgres()
if (missing === undefined) await import('./ended.test.js')
else console.log(`skip: no PostgreSQL: ${missing}`)

const { test } = await import('uvu')
if (missing === undefined) test('returns without end ran on PostgreSQL', () => {})
else test.skip('returns without end on PostgreSQL', () => {})
test.run()
