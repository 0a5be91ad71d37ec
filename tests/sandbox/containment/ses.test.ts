import { containment } from './suite.js'

const test = containment('ses')
test.run()
