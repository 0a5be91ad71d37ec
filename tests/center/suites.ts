/** What the center's books are asked, whichever database they are in. */
import './acts.test.js'
import './aside.test.js'
import './audit.test.js'
import './issue.test.js'
import './register.test.js'
import './revoke.test.js'
import './store.test.js'
