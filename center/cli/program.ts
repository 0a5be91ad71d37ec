/** How the commands of `coffer-center` are typed: their words, options and help. */
import { Command, Help, Option } from 'commander'
import { CofferError } from '../../formats/errors.js'
import { VERSION } from '../../formats/version.js'
import { jsonLine } from '../../formats/wording.js'
import { mistyped } from './mistyped.js'
import { write } from './output.js'
import type * as Commands from './commands.js'
import type { Gift, TermsChange } from '../desk.js'
import { MAX_SALES_DAYS } from '../names.js'
import { REVOCATION_KINDS, type RevocationKind } from '../orders/revoke.js'
import type { Result } from './screen.js'
import { MAX_COPIES, MAX_EXPIRES_DAYS, MAX_PRICE_MINOR } from '../orders/terms.js'
import {
  currencyCode,
  enrolmentChoice,
  featureNames,
  integer,
  integerOr,
  minorUnits,
  numberOr,
  only,
  orNull
} from './typed.js'

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

/** Groups whose folder is typed before the action, and the action that is meant when there is none. */
const GROUPS: Readonly<Record<string, { readonly actions: readonly string[]; readonly otherwise: string }>> =
  {
    publisher: { actions: ['add', 'list'], otherwise: 'list' },
    title: { actions: ['list', 'show', 'set'], otherwise: 'list' },
    admin: { actions: ['list', 'add', 'remove'], otherwise: 'list' },
    user: { actions: ['list', 'show', 'add', 'block', 'unblock', 'enrolment'], otherwise: 'list' },
    grant: { actions: ['list', 'show', 'give', 'refund', 'revoke'], otherwise: 'list' },
    revoke: { actions: ['list', 'export', 'fold', 'key', ...REVOCATION_KINDS], otherwise: 'list' },
    rotate: { actions: ['list', 'key', 'epoch', 'retire'], otherwise: 'list' },
    vault: { actions: ['show', 'lock', 'unlock'], otherwise: 'show' },
    ledger: { actions: ['show', 'verify'], otherwise: 'show' }
  }

const MAX_RATE = 1_000_000
/** Of a description beside what it describes, where a terminal has 80. */
const MIN_HELP_COLUMNS = 30

/** What revoking one kind reaches beyond what its name says. */
const MORE: Readonly<Partial<Record<RevocationKind, string>>> = {
  title: ' for ever: every release, later ones too, unless one is named'
}

export function program(json: boolean): Command {
  const root = quiet(new Command('coffer-center'))
    .description('The license center: who may press, what is sold, to whom it was granted.')
    .option('--json', 'one JSON object on stdout')
    .addHelpText('after', EXAMPLES)
  /** A command of its own, or an action of a group. */
  const command = (under: Command, usage: string, description: string) =>
    quiet(under.command(usage)).description(description).option('--json', 'one JSON object on stdout')
  const group = (name: string, description: string, examples: string) =>
    quiet(root.command(name))
      .description(description)
      .usage('<folder> [action] ...')
      .option('--json', 'one JSON object on stdout')
      .addHelpText('after', `\nExamples:\n${examples}`)
  // Loaded when a command runs: help and typing errors need no database.
  const load = (): Promise<typeof Commands> => import('./commands.js')
  const show = async (run: (commands: typeof Commands) => Promise<Result>) =>
    print(await run(await load()), json)

  command(root, 'init <folder>', 'make a license center: keys, database, root record')
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

  command(root, 'serve <folder>', 'take orders and registrations over HTTP')
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

  command(root, 'issue <folder> <request-file>', 'answer an order, renewal, return or transfer by files')
    .requiredOption('--out <file>', 'where the answer goes')
    .option('--force', 'replace that file')
    .addHelpText('after', '\nExample:\n  coffer-center issue shop order.request --out order.answer')
    .action((folder, requestFile, { out, force = false }) =>
      show(commands => commands.issueFile(folder, requestFile, out, force))
    )

  command(root, 'receipt <folder> <request-file>', 'prove to a buyer that his order is in the books')
    .requiredOption('--out <file>', 'where the receipt goes')
    .option('--force', 'replace that file')
    .option('--mail <address>', 'send it there too, by the mail server in services.json')
    .addHelpText('after', '\nExample:\n  coffer-center receipt shop order.request --out order.receipt')
    .action((folder, requestFile, { out, force = false, mail }) =>
      show(commands => commands.receiptFile(folder, requestFile, { out, replace: force, mail }))
    )

  command(root, 'login <folder>', "print a link that opens the seller's pages, once, within ten minutes")
    .option(
      '--url <url>',
      'where the pages are (default: http://127.0.0.1:8787, or the URL in place of the folder)'
    )
    .addHelpText('after', '\nExample:\n  coffer-center login shop --url https://shop.example')
    .action((folder, { url }) => show(commands => commands.login(folder, url)))

  command(root, 'sales <folder>', 'what each title earned, by day')
    .option('--days <n>', 'how many days back', integer(1, MAX_SALES_DAYS), 30)
    .addHelpText('after', '\nExample:\n  coffer-center sales shop --days 90')
    .action((folder, { days }) => show(commands => commands.showSales(folder, days)))

  const admin = group(
    'admin',
    'whose keys may do the rest from afar, by signed requests',
    '  coffer-center admin shop add <public key> --name ann\n  coffer-center admin shop remove 4f1d9a'
  )
  command(admin, 'list <folder>', 'the admins').action(folder =>
    show(commands => commands.listAdmins(folder))
  )
  command(admin, 'add <folder> <public-key>', 'let a key in; it is what "coffer keygen --publisher" printed')
    .option('--name <name>', 'how you call whoever has it')
    .action((folder, key, { name }) => show(commands => commands.addAdmin(folder, key, name)))
  command(admin, 'remove <folder> <admin>', 'its requests are refused from now on').action((folder, id) =>
    show(commands => commands.removeAdmin(folder, id))
  )

  const publisher = group(
    'publisher',
    'who may press titles',
    '  coffer-center publisher shop add <public key> --name "Example Press"\n  coffer-center publisher shop list'
  )
  command(
    publisher,
    'add <folder> <public-key>',
    'let a publisher press; the key is what "coffer keygen" printed'
  )
    .option('--name <name>', 'what buyers see')
    .action((folder, key, { name }) => show(commands => commands.addPublisher(folder, key, name)))
  command(publisher, 'list <folder>', 'the publishers').action(folder =>
    show(commands => commands.listPublishers(folder))
  )

  const title = group(
    'title',
    'what is sold, and on which terms',
    '  coffer-center title shop\n  coffer-center title shop set org.example.hello --price 900 --copies 3'
  )
  command(title, 'list <folder>', 'the titles and their terms').action(folder =>
    show(commands => commands.listTitles(folder))
  )
  command(title, 'show <folder> <title>', 'all terms of one title').action((folder, titleId) =>
    show(commands => commands.showTitle(folder, titleId))
  )
  command(title, 'set <folder> <title>', 'change the terms of future sales')
    .option('--price <minor>', 'price of a copy in minor units: 900 is 9.00', minorUnits(MAX_PRICE_MINOR))
    .option('--currency <code>', 'three letters', currencyCode)
    .option('--copies <n>', 'media per user, or "unlimited"', integerOr('unlimited', 0, MAX_COPIES))
    .option(
      '--expires-days <n>',
      'how long a copy is bought for, or "never"',
      integerOr('never', 1, MAX_EXPIRES_DAYS)
    )
    .option(
      '--copies-in-all <n>',
      'copies of all users together, or "unlimited"',
      integerOr('unlimited', 0, MAX_COPIES)
    )
    .option(
      '--renew-price <minor>',
      'price of another such time, or "none": not renewable',
      numberOr('none', minorUnits(MAX_PRICE_MINOR))
    )
    .option(
      '--grace-days <n>',
      'how long it goes on running and can be renewed after its end',
      integer(0, MAX_EXPIRES_DAYS)
    )
    .option(
      '--trial-days <n>',
      'may be tried for nothing, once per user; or "none"',
      integerOr('none', 1, MAX_EXPIRES_DAYS)
    )
    .option('--features <names>', 'what a copy has beyond the title: a,b,c; or "none"', featureNames)
    .option(
      '--refund-days <n>',
      'a return is paid back within this time of its payment; or "none"',
      integerOr('none', 0, MAX_EXPIRES_DAYS)
    )
    .addOption(
      new Option('--transfer <whom>', 'no; media: to another medium of its user; users: to anyone').choices([
        'no',
        'media',
        'users'
      ])
    )
    .addOption(new Option('--bearer <choice>', 'may be bound to the medium alone').choices(['yes', 'no']))
    .action((folder, titleId, options) => {
      const { price, currency, copies, expiresDays, bearer } = options
      const change: TermsChange = {
        ...only(options, 'graceDays', 'trialDays', 'refundDays', 'transfer', 'features'),
        ...(options.copiesInAll !== undefined && { titleCopies: orNull(options.copiesInAll) }),
        ...(options.renewPrice !== undefined && { renewPriceMinor: orNull(options.renewPrice) }),
        ...(price !== undefined && { priceMinor: price }),
        ...(currency !== undefined && { currency }),
        ...(copies !== undefined && { copies: orNull(copies) }),
        ...(expiresDays !== undefined && { expiresDays: orNull(expiresDays) }),
        ...(bearer !== undefined && { bearerAllowed: bearer === 'yes' })
      }
      return show(commands => commands.setTerms(folder, titleId, change))
    })

  const user = group(
    'user',
    'who orders',
    '  coffer-center user shop\n  coffer-center user shop show 4f1d9a\n  coffer-center user shop enrolment closed'
  )
  command(user, 'list <folder>', 'the users').action(folder => show(commands => commands.listUsers(folder)))
  command(user, 'show <folder> <user>', 'one user: copies, what is owed').action((folder, id) =>
    show(commands => commands.showUser(folder, id))
  )
  command(user, 'add <folder> <public-key>', 'add a user by hand, where enrolment is closed')
    .option('--name <name>', 'how you call this user')
    .action((folder, key, { name }) => show(commands => commands.addUser(folder, key, name)))
  command(user, 'block <folder> <user>', 'no new grants').action((folder, id) =>
    show(commands => commands.blockUser(folder, id, true))
  )
  command(user, 'unblock <folder> <user>', 'grants again').action((folder, id) =>
    show(commands => commands.blockUser(folder, id, false))
  )
  command(
    user,
    'enrolment <folder> [choice]',
    '"open": a first order makes a user; "closed": only "user add" does'
  ).action((folder, choice) => show(commands => commands.enrolment(folder, enrolmentChoice(choice))))

  const grant = group(
    'grant',
    'who holds which copy',
    '  coffer-center grant shop list --user 4f1d9a\n  coffer-center grant shop give org.example.hello 4f1d9a --copies 2'
  )
  command(grant, 'list <folder>', 'the copies')
    .option('--user <user>', "one user's")
    .action((folder, { user: id }) => show(commands => commands.listGrants(folder, id)))
  command(grant, 'show <folder> <grant>', 'one copy').action((folder, id) =>
    show(commands => commands.showGrant(folder, id))
  )
  command(grant, 'refund <folder> <grant>', 'end a copy and pay back what was paid for it').action(
    (folder, id) => show(commands => commands.refundGrant(folder, id))
  )
  command(grant, 'revoke <folder> <grant>', 'end a copy and pay nothing back').action((folder, id) =>
    show(commands => commands.revokeOne(folder, 'grant', id, null))
  )
  command(grant, 'give <folder> <title> <user>', 'terms of their own for one user: id, or public key')
    .option('--price <minor>', 'price of a copy in minor units: 900 is 9.00', minorUnits(MAX_PRICE_MINOR), 0)
    .option('--copies <n>', 'how many media (default: as for everyone)', integer(0, MAX_COPIES))
    .option('--expires-days <n>', 'for how long (default: as for everyone)', integer(1, MAX_EXPIRES_DAYS))
    .option('--features <names>', 'what it has beyond the title (default: as for everyone)', featureNames)
    .action((folder, titleId, id, { price, copies, expiresDays, features }) => {
      const gift: Gift = {
        priceMinor: price,
        copies: copies ?? null,
        expiresDays: expiresDays ?? null,
        features: features ?? null
      }
      return show(commands => commands.giveTitle(folder, titleId, id, gift))
    })

  const revoke = group(
    'revoke',
    'take back what was granted; raises the number of the revocation list',
    '  coffer-center revoke shop user 4f1d9a\n  coffer-center revoke shop title org.example.hello --release 1'
  )
  command(revoke, 'list <folder>', 'what is revoked').action(folder =>
    show(commands => commands.listRevocations(folder))
  )
  command(revoke, 'export <folder> <file>', 'the newest list and the root records, for a master').action(
    (folder, file) => show(commands => commands.exportRevocations(folder, file))
  )
  command(
    revoke,
    'fold <folder>',
    'make the list short now: it happens by itself with every thousandth copy'
  ).action(folder => show(commands => commands.foldRevocations(folder)))
  command(revoke, 'key <folder> <id>', 'what this signing key of the center signed counts no more').action(
    (folder, id) => show(commands => commands.revokeKey(folder, id))
  )
  for (const kind of REVOCATION_KINDS) {
    const one = command(revoke, `${kind} <folder> <id>`, `take back a ${kind}${MORE[kind] ?? ''}`)
    if (kind === 'title') one.option('--release <n>', 'this release alone', integer(1, 0xffffffff))
    one.action((folder, id, { release }) =>
      show(commands => commands.revokeOne(folder, kind, id, release ?? null))
    )
  }

  const rotate = group(
    'rotate',
    "the center's own keys over time; media go on running",
    '  coffer-center rotate shop\n  coffer-center rotate shop key\n  coffer-center rotate shop retire 4f1d9a'
  )
  command(rotate, 'list <folder>', 'the keys').action(folder => show(commands => commands.listKeys(folder)))
  command(rotate, 'key <folder>', 'a new signing key; what older ones signed goes on counting').action(
    folder => show(commands => commands.rotateKey(folder))
  )
  command(rotate, 'epoch <folder>', 'new masters, for media that have no copy yet').action(folder =>
    show(commands => commands.rotateEpoch(folder))
  )
  command(rotate, 'retire <folder> <key>', 'destroy the private half of an older signing key').action(
    (folder, key) => show(commands => commands.retireKey(folder, key))
  )

  const vault = group(
    'vault',
    'what opens the vault',
    '  coffer-center vault shop lock --key-file /media/usb/shop.key\n  COFFER_VAULT_NEW_PASSPHRASE=... coffer-center vault shop lock'
  )
  command(vault, 'show <folder>', 'how it is locked').action(folder =>
    show(commands => commands.showVault(folder))
  )
  command(vault, 'lock <folder>', 'lock it by a passphrase, or by a key file that this makes')
    .option('--key-file <file>', 'where to make it: not in the folder of the center')
    .action((folder, { keyFile }) =>
      show(commands =>
        commands.lockVault(
          folder,
          keyFile === undefined ? { kind: 'passphrase' } : { kind: 'key-file', path: keyFile }
        )
      )
    )
  command(vault, 'unlock <folder>', 'nothing opens it any more but the right to read it').action(folder =>
    show(commands => commands.lockVault(folder, { kind: 'open' }))
  )

  const ledger = group(
    'ledger',
    'what was charged',
    '  coffer-center ledger shop\n  coffer-center ledger shop verify'
  )
  command(ledger, 'show <folder>', 'the balances').action(folder =>
    show(commands => commands.showLedger(folder))
  )
  command(ledger, 'verify <folder>', 'hold the ledger against the grants and the signed answers').action(
    folder => show(commands => commands.verifyLedger(folder))
  )

  command(root, 'version', 'the version of this program').action(() => {
    const what = { name: 'coffer-center', version: VERSION, node: process.versions.node }
    return print({ json: what, text: `coffer-center ${VERSION}` }, json)
  })
  return root
}

/** Errors are ours to say; help goes to stdout. */
const quiet = (command: Command): Command =>
  command
    .exitOverride(error => {
      throw error.exitCode === 0 ? error : mistyped(command, error)
    })
    .configureOutput({ writeErr: () => {} })
    .configureHelp({ commandUsage, subcommandTerm, minWidthToWrap: MIN_HELP_COLUMNS })
    .showSuggestionAfterError(true)

/** An action stands behind the folder of its group, as it is typed. */
const isAction = (command: Command): boolean => Boolean(command.parent?.parent)

const wordsOf = (command: Command): string[] =>
  command.registeredArguments.map(argument =>
    argument.required ? `<${argument.name()}>` : `[${argument.name()}]`
  )

function commandUsage(this: Help, command: Command): string {
  if (!isAction(command)) return Help.prototype.commandUsage.call(this, command)
  const [folder, ...words] = wordsOf(command)
  const path = `${command.parent!.parent!.name()} ${command.parent!.name()} ${folder} ${command.name()}`
  return [path, ...words, '[options]'].join(' ')
}

const subcommandTerm = (command: Command): string =>
  [command.name(), ...wordsOf(command).slice(isAction(command) ? 1 : 0)].join(' ')

const tokenHalf = () =>
  new CofferError('COFFER_USAGE', 'A token has a module and a label.', {
    expected: '--pkcs11 <module> and --token <label>, or neither',
    found: 'one of them',
    hint: 'See "coffer-center init --help".'
  })

/** `title shop set ...` as `title set shop ...`, which is how commander has subcommands; and `--version` as `version`. */
export function actionFirst(argv: readonly string[]): string[] {
  if (argv[0] === '--version') return ['version', ...argv.slice(1)]
  const [name, first, second] = argv
  const group = name !== undefined && Object.hasOwn(GROUPS, name) ? GROUPS[name] : undefined
  if (group === undefined || first === undefined || first.startsWith('-')) return [...argv]
  const isNamed = (word: string | undefined) => word !== undefined && group.actions.includes(word)
  if (isNamed(second)) return [name!, second!, first, ...argv.slice(3)]
  if (isNamed(first)) return [...argv]
  if (second === undefined || second.startsWith('-')) return [name!, group.otherwise, ...argv.slice(1)]
  throw new CofferError('COFFER_USAGE', `${name} has no action "${second}".`, {
    expected: `one of ${group.actions.join(', ')}`,
    found: second,
    hint: `See "coffer-center ${name} --help".`
  })
}

/** The center that a line is about, its words in commander's order. */
export function placeIn([name, ...words]: readonly string[]): string | undefined {
  const place = words[name !== undefined && Object.hasOwn(GROUPS, name) ? 1 : 0]
  return place?.startsWith('-') ? undefined : place
}

async function print({ json: object, text, note }: Result, json: boolean): Promise<void> {
  if (json) return write(process.stdout, jsonLine(object))
  await write(process.stdout, `${text}\n`)
  if (note !== undefined) process.stderr.write(`${note}\n`)
}
