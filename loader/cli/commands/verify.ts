/** `coffer verify`: the whole path without its last step, for one title or all of a medium, each finding shown. */
import { CofferError, ERROR_CODES, type ErrorCode } from '../../../formats/errors.js'
import { asTyped } from '../../../formats/wording.js'
import { Home } from '../../home.js'
import { measureMedium } from '../../medium/measure.js'
import { POWERS } from '../../powers.js'
import { listTitles } from '../../read.js'
import { timeText } from '../../times.js'
import { verifyTitle, type TitleReport } from '../../verify.js'
import type { Call, Outcome } from '../command.js'
import { failureData } from '../../../formats/failure.js'
import { sayFailure } from '../failure.js'
import { harden } from '../harden.js'
import { fields, ProgressBar } from '../screen.js'

export function execute(call: Call): Outcome {
  harden()
  const root = call.argument('medium')
  const titleId = call.optional('title')
  const titleIds = titleId === undefined ? allTitles(root) : [titleId]
  const home = new Home()
  const reports = titleIds.map(id => {
    const bar = new ProgressBar(`check ${id}`)
    return verifyTitle(root, id, home, POWERS, (done, total) => bar.update(done, total))
  })
  const failed = reports.find(({ verdict }) => verdict !== 'ok')
  if (!call.json) for (const { error } of reports) if (error !== undefined) sayFailure(error)
  return {
    // Of a single title the fields stand at the top too, for whoever asked for that one.
    data: { ...(reports.length === 1 && reportData(reports[0]!)), titles: reports.map(reportData) },
    text: reports.map(reportText).join('\n\n'),
    exitCode: failed === undefined ? 0 : ERROR_CODES[failed.verdict as ErrorCode]
  }
}

function allTitles(root: string): string[] {
  measureMedium(root) // says so when this is no medium at all
  const titles = listTitles(root)
  if (titles.length > 0) return titles.map(({ titleId }) => titleId)
  throw new CofferError('COFFER_TITLE_MISSING', 'There is no title on this medium yet.', {
    expected: 'a title that was copied to it',
    found: 'none',
    hint: `Copy one to it with "coffer copy <master> ${asTyped(root)}".`
  })
}

const reportData = ({ error, ...report }: TitleReport) =>
  error === undefined ? report : { ...report, error: failureData(error) }

function reportText(report: TitleReport): string {
  const { title, name, release, scheme, mediumId, center, centerId, expires, verdict, bound } = report
  const lines: [string, string][] = [
    [
      'title',
      `${title}${release === null ? '' : `, release ${release}`}${name === null ? '' : ` "${name}"`}`
    ],
    ['medium', mediumId]
  ]
  if (centerId !== null) lines.push(['center', `${centerId}${center === null ? '' : ` "${center}"`}`])
  if (scheme !== null) {
    const bearer = bound !== null && !bound.includes('user')
    lines.push(['scheme', bearer ? `${scheme}, bearer: whoever holds the medium can use it` : scheme])
    lines.push(['expires', expires === null ? 'never' : timeText(Date.parse(expires) / 1000)])
  }
  if (scheme === 'certificate') {
    lines.push(
      ['CS', report.certificate ?? '-'],
      ["CS'", report.recomputedCertificate ?? 'cannot be made with this key']
    )
  }
  if (scheme === 'conversion')
    lines.push(['Ku', report.unwrapped === true ? 'unwrapped' : 'does not unwrap here'])
  lines.push(['verdict', verdict])
  return fields(lines)
}
