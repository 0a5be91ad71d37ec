/** How the commands of `coffer-center` are typed: their words, options and help. */
import { Command } from 'commander'
import { CofferError } from '../../formats/errors.js'
import { VERSION } from '../../formats/version.js'
import { print, programOf, quiet, withJson, type Program } from './command.js'
import { admin } from './groups/admin.js'
import { grant } from './groups/grant.js'
import { ledger } from './groups/ledger.js'
import { publisher } from './groups/publisher.js'
import { revoke } from './groups/revoke.js'
import { rotate } from './groups/rotate.js'
import { title } from './groups/title.js'
import { user } from './groups/user.js'
import { vault } from './groups/vault.js'
import { MAX_SALES_DAYS } from '../names.js'
import { integer } from './typed.js'

export const EXAMPLES = `
Examples:
  coffer-center init shop                          keys, database, root record
  coffer-center publisher shop add <public key>    who may press titles
  coffer-center serve shop --port 8787             take orders over HTTP
  coffer-center issue shop order.request --out order.answer
  coffer-center title shop set org.example.hello --price 900 --copies 3
  coffer-center grant shop give org.example.hello <user>
  coffer-center revoke shop user <user>
  coffer-center rotate shop key                    a new signing key
  coffer-center ledger shop verify

Ids may be cut short, from 6 digits on. Without an action, a list is shown.
From another machine the URL of the center stands in place of the folder, and
the key of an admin or publisher signs:
  COFFER_CENTER_KEY=admin.key coffer-center title https://shop.example`

const MAX_RATE = 1_000_000

export function program(json: boolean): Command {
  const root = withJson(quiet(new Command('coffer-center')))
    .description('The license center: who may press, what is sold, to whom it was granted.')
    .addHelpText('after', EXAMPLES)
  const its = programOf(root, json)
  commands(its)
  for (const group of [admin, publisher, title, user, grant, revoke, rotate, vault, ledger]) group(its)
  its.command('version', 'the version of this program').action(() => {
    const what = { name: 'coffer-center', version: VERSION, node: process.versions.node }
    return print({ json: what, text: `coffer-center ${VERSION}` }, json)
  })
  return root
}

/** Those that stand alone. */
function commands({ command, load, show, json }: Program): void {
  command('init <folder>', 'make a license center: keys, database, root record')
    .option('--name <name>', 'what buyers see (default: the name of the folder)')
    .option('--database <url>', 'an empty PostgreSQL database for the books (default: a file in the folder)')
    .option('--pkcs11 <module>', 'the library of a PKCS#11 module, whose token shall hold the keys')
    .option('--token <label>', 'which of its tokens; its PIN is COFFER_VAULT_PIN')
    .addHelpText('after', '\nExample:\n  coffer-center init shop --name "Example Shop"')
    .action((folder, { name, database, pkcs11, token: label }) => {
      if ((pkcs11 === undefined) !== (label === undefined)) throw tokenHalf()
      const token = pkcs11 === undefined ? undefined : { module: pkcs11, label }
      return show(commands => commands.init(folder, { name, database, token }))
    })

  command('serve <folder>', 'take orders and registrations over HTTP')
    .option('--port <n>', 'port to listen on; 0 takes any free one', integer(0, 65_535), 8787)
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--database <url>', 'PostgreSQL for the books; moved there from the folder the first time')
    .option('--tls-cert <file>', 'certificate with its chain, PEM; read again at SIGHUP')
    .option('--tls-key <file>', 'its key, PEM')
    .option('--behind-proxy', 'believe the last address in x-forwarded-for')
    .option(
      '--rate <n>',
      'requests a minute from one address and of one signer; 0: no limit',
      integer(0, MAX_RATE)
    )
    .option('--metrics-port <n>', 'OpenMetrics on a port of 127.0.0.1', integer(0, 65_535))
    .option('--verbose', 'one line of JSON per request on stderr')
    .addHelpText(
      'after',
      '\nExamples:\n  coffer-center serve shop --port 8787\n  coffer-center serve shop --database postgres://shop:secret@db/shop\n\nEnds with SIGTERM or Ctrl-C.'
    )
    .action(async (folder, { behindProxy = false, verbose = false, ...rest }) =>
      (await load()).serveUntilSignal(folder, { ...rest, behindProxy, verbose, json })
    )

  command('issue <folder> <request-file>', 'answer an order, renewal, return or transfer by files')
    .requiredOption('--out <file>', 'where the answer goes')
    .option('--force', 'replace that file')
    .addHelpText('after', '\nExample:\n  coffer-center issue shop order.request --out order.answer')
    .action((folder, requestFile, { out, force = false }) =>
      show(commands => commands.issueFile(folder, requestFile, out, force))
    )

  command('receipt <folder> <request-file>', 'prove to a buyer that his order is in the books')
    .requiredOption('--out <file>', 'where the receipt goes')
    .option('--force', 'replace that file')
    .option('--mail <address>', 'send it there too, by the mail server in services.json')
    .addHelpText('after', '\nExample:\n  coffer-center receipt shop order.request --out order.receipt')
    .action((folder, requestFile, { out, force = false, mail }) =>
      show(commands => commands.receiptFile(folder, requestFile, { out, replace: force, mail }))
    )

  command('login <folder>', "print a link that opens the seller's pages, once, within ten minutes")
    .option(
      '--url <url>',
      'where the pages are (default: http://127.0.0.1:8787, or the URL in place of the folder)'
    )
    .addHelpText('after', '\nExample:\n  coffer-center login shop --url https://shop.example')
    .action((folder, { url }) => show(commands => commands.login(folder, url)))

  command('sales <folder>', 'what each title earned, by day')
    .option('--days <n>', 'how many days back', integer(1, MAX_SALES_DAYS), 30)
    .addHelpText('after', '\nExample:\n  coffer-center sales shop --days 90')
    .action((folder, { days }) => show(commands => commands.showSales(folder, days)))
}

const tokenHalf = () =>
  new CofferError('COFFER_USAGE', 'A token has a module and a label.', {
    expected: '--pkcs11 <module> and --token <label>, or neither',
    found: 'one of them',
    hint: 'See "coffer-center init --help".'
  })

/** The actions of a group, as they are typed behind its folder; undefined for what is no group. */
function actionsOf(root: Command, name: string | undefined): readonly string[] | undefined {
  const actions = root.commands.find(command => command.name() === name)?.commands
  return actions?.length ? actions.map(action => action.name()) : undefined
}

/** `title shop set ...` as `title set shop ...`, which is how commander has subcommands; and `--version` as `version`. */
export function actionFirst(root: Command, argv: readonly string[]): string[] {
  if (argv[0] === '--version') return ['version', ...argv.slice(1)]
  const [name, first, second] = argv
  // Of a command that is not there commander would ask which one, and not say that it is not.
  if (name === 'help' && first !== undefined && !root.commands.some(command => command.name() === first))
    return argv.slice(1)
  const actions = actionsOf(root, name)
  if (actions === undefined || first === undefined || first.startsWith('-')) return [...argv]
  if (second !== undefined && actions.includes(second)) return [name!, second, first, ...argv.slice(3)]
  if (actions.includes(first)) return [...argv]
  if (second === undefined || second.startsWith('-')) return [name!, actions[0]!, ...argv.slice(1)]
  throw new CofferError('COFFER_USAGE', `${name} has no action "${second}".`, {
    expected: `one of ${actions.join(', ')}`,
    found: second,
    hint: `See "coffer-center ${name} --help".`
  })
}

/** The center that a line is about, its words in commander's order. */
export function placeIn(root: Command, [name, ...words]: readonly string[]): string | undefined {
  const place = words[actionsOf(root, name) === undefined ? 0 : 1]
  return place?.startsWith('-') ? undefined : place
}
