import { containment } from './suite.js'

const test = containment('thread')
test.run()
