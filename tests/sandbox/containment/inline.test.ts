import { containment } from './suite.js'

const test = containment('inline')
test.run()
