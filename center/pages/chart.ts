/** Sales by day, drawn by the server: an SVG without a script, with its numbers in words beside it. */
import { html } from 'hono/html'
import { moneyText } from '../../formats/money.js'
import type { DaySales } from '../audit/sales.js'
import type { Html } from './frame.js'

const WIDTH = 720
const HEIGHT = 200
const LEFT = 70
const BOTTOM = 26
const TOP = 12

export function salesChart(days: readonly DaySales[], currency: string): Html {
  const most = Math.max(1, ...days.map(({ amountMinor }) => amountMinor))
  const total = days.reduce((sum, { amountMinor }) => sum + amountMinor, 0)
  const step = (WIDTH - LEFT) / days.length
  const room = HEIGHT - TOP - BOTTOM
  const round = (value: number) => Math.round(value * 10) / 10
  const label = `Sales of the last ${days.length} days: ${moneyText(total, currency)} in all, at most ${moneyText(most, currency)} a day.`
  return html`<svg class="chart" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${label}">
      <line x1="${LEFT}" y1="${HEIGHT - BOTTOM}" x2="${WIDTH}" y2="${HEIGHT - BOTTOM}" />
      <line x1="${LEFT}" y1="${TOP}" x2="${WIDTH}" y2="${TOP}" />
      <text class="least" x="0" y="${TOP + 4}">${moneyText(most, currency)}</text>
      <text class="least" x="0" y="${HEIGHT - BOTTOM}">0</text>
      ${days.map(({ day, amountMinor }, n) => {
        const height = round((amountMinor / most) * room)
        return html`<rect
          x="${round(LEFT + n * step + 1)}"
          y="${HEIGHT - BOTTOM - height}"
          width="${round(Math.max(1, step - 2))}"
          height="${height}"
        >
          <title>${day}: ${moneyText(amountMinor, currency)}</title>
        </rect>`
      })}
      ${[0, days.length - 1].map(
        n =>
          html`<text
            x="${n === 0 ? LEFT : WIDTH}"
            y="${HEIGHT - 6}"
            text-anchor="${n === 0 ? 'start' : 'end'}"
          >
            ${days[n]?.day ?? ''}
          </text>`
      )}
    </svg>
    <p>${moneyText(total, currency)} in all, at most ${moneyText(most, currency)} a day.</p>`
}
