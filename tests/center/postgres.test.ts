/** Everything that is asked of the embedded database, asked of PostgreSQL. */
import { usePostgres } from '../helpers/databases.js'

const missing = await usePostgres()
if (missing === undefined) await import('./suites.js')
else console.log(`skip: no PostgreSQL: ${missing}`)

const { test } = await import('uvu')
if (missing === undefined) test('the same suites ran on PostgreSQL', () => {})
else test.skip('the same suites on PostgreSQL', () => {})
test.run()
