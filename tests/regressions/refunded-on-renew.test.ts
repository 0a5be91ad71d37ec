/** A copy that was refunded ran on after its renewal was refused: the refusal carried no list, and none was asked for. */
import { test } from 'uvu'
import { renewTitle } from '../../loader/copier/renew.js'
import { closeSites, librarySite } from '../helpers/library-site.js'
import { rejectsWith } from '../helpers/rejects.js'

test.after(closeSites)

test('a renewal that is refused for a copy that ended brings the list that says so', async () => {
  const site = await librarySite()
  const { root, id } = await site.copied('org.example.refunded')
  const copy = (await site.center.desk.grants()).find(({ titleId }) => titleId === id)!
  await site.center.desk.refund(copy.grantId)
  await site.runs(root, id)
  await rejectsWith('COFFER_GRANT_MISSING', () =>
    renewTitle(root, id, { home: site.home, powers: site.powers })
  )
  await site.refuses('COFFER_REVOKED', root, id)
})

test.run()
