/** `coffer keygen`: a key pair in a file, its public half on stdout. */
import { Home } from '../../home.js'
import { createKeyFile } from '../../key-files.js'
import type { Call, Outcome } from '../command.js'
import { printable } from '../../../formats/screen.js'
import { say } from '../output.js'

export function execute(call: Call): Outcome {
  const publisherFile = call.text('publisher')
  const owner = publisherFile === undefined ? 'user' : 'publisher'
  const home = new Home()
  const path = publisherFile ?? home.userKeyFile
  const publicKey = createKeyFile(owner, path)
  say(`Your ${owner === 'user' ? 'user' : "publisher's"} key is in ${printable(path)}.`)
  say(
    owner === 'user'
      ? 'Back it up: without it, what you buy does not open. Give it to nobody; below is its public half.'
      : 'Back it up, and give it to nobody: whoever has it can press titles in your name. Below is its public half.'
  )
  return { data: { owner, path, publicKey }, text: publicKey }
}
