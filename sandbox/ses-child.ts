/** The process of a SES guest: its entry. */
import { serveGuest } from './ses/child.js'

serveGuest()
