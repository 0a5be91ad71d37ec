/** The version of coffer, whichever of its programs asks; a test keeps it in step with package.json. */
export const VERSION = '0.1.0'
