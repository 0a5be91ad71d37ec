import { containment } from './suite.js'

const test = containment('pool')
test.run()
