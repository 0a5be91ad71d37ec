/** `coffer-center` as a person or a script types it: a process each, its exit code, stdout and stderr. */
import { spawn, spawnSync, type StdioOptions } from 'node:child_process'
import { once } from 'node:events'
import { get } from 'node:https'
import type { TLSSocket } from 'node:tls'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openCenter } from '../../center/center.js'
import { equalBytes } from '../../formats/bytes.js'
import { formatPublicKeys, formatSecretKey } from '../../formats/keys.js'
import { decode } from '../../formats/msgpack.js'
import { openRoots } from '../../formats/records/root.js'
import {
  newRequestId,
  openAsBuyer,
  openTicket,
  publisherKeys,
  registrationBytes,
  requestBytes,
  temporaryFolder,
  TITLE,
  userKeys
} from './parties.js'
import { COFFER_CENTER } from '../helpers/site.js'
import { json, post, seconds, serving, type } from './command-line.js'
import { selfSigned } from './self-signed.js'

const PUBLISHER = formatPublicKeys('publisher', publisherKeys())
const USER = formatPublicKeys('user', userKeys())

const pinnedOf = (cwd: string) =>
  openRoots(
    (decode(new Uint8Array(readFileSync(join(cwd, 'shop', 'center.roots')))) as { roots: Uint8Array[] }).roots
  )

test('the transcript of a seller: init, publisher add, serve, a sale, and what the books say', async () => {
  const cwd = temporaryFolder()
  const made = await type(cwd, 'init shop --name Shop')
  assert.is(made.code, 0)
  assert.match(made.stdout, /^[0-9a-f]{64}\n$/)
  assert.match(made.stderr, made.stdout.trim().match(/.{4}/g)!.join(' '), 'as "coffer trust" shows it')
  const pinned = pinnedOf(cwd)
  assert.is(made.stdout.trim(), Buffer.from(pinned.centerId).toString('hex'))

  assert.is((await type(cwd, `publisher add shop ${PUBLISHER}`)).code, 0)
  const server = await serving(cwd)
  assert.match(server.url, /^http:\/\/127\.0\.0\.1:\d+$/)

  const created = seconds()
  const ticket = await post(server.url, '/v1/releases', registrationBytes(pinned.centerId, { created }))
  const { releaseKey } = openTicket(pinned, ticket)

  // Other commands work on the folder while it is served.
  const { title } = await json(cwd, `title shop set ${TITLE} --price 1250 --currency CHF --copies 2`)
  assert.equal(
    [title.priceMinor, title.currency, title.copies, title.expiresDays, title.bearerAllowed],
    [1250, 'CHF', 2, null, false]
  )
  assert.is(
    (await type(cwd, `publisher add shop ${formatPublicKeys('publisher', publisherKeys('b'))}`)).code,
    0
  )
  await post(
    server.url,
    '/v1/releases',
    registrationBytes(pinned.centerId, { created, publisher: 'b', titleId: 'b.b' })
  )

  const bought = openAsBuyer(
    pinned,
    await post(server.url, '/v1/orders', requestBytes(pinned.centerId, { created }))
  )
  assert.equal(bought.titleKey, releaseKey)
  assert.is(bought.answer.chargedMinor, 1250)

  const { users } = await json(cwd, 'user shop')
  assert.is(users.length, 1)
  const userId = users[0].userId as string
  const { grants } = await json(cwd, `grant shop list --user ${userId.slice(0, 8)}`)
  assert.is(grants[0].titleId, TITLE)
  assert.is((await json(cwd, `user shop show ${userId.slice(0, 8)}`))['balances'][0].balanceMinor, 1250)
  assert.match((await type(cwd, 'ledger shop')).stdout, '12.50 CHF')
  assert.equal(await json(cwd, 'ledger shop verify'), { orders: 1, copies: 1, postings: 1 })
  const paid = `ledger shop paid ${userId.slice(0, 8)}`
  assert.is((await json(cwd, `${paid} 15.00CHF invoice-17`))['balanceMinor'], -250)
  assert.match((await type(cwd, `${paid} 1CHF invoice-18 --back`)).stderr, 'a credit of 1.50 CHF')
  for (const wrong of ['15.00CHF invoice-17', '0CHF a', '-1CHF a', '1 a', '1CHF a/b', '1CHF a --by Stripe'])
    assert.is((await type(cwd, `${paid} ${wrong}`)).code, 64, wrong)
  assert.equal(await json(cwd, 'ledger shop verify'), { orders: 1, copies: 1, postings: 1 })

  const revoked = await json(cwd, `revoke shop grant ${grants[0].grantId.slice(0, 6)}`)
  assert.is(revoked['sequence'], 2)
  assert.is((await json(cwd, `grant shop show ${grants[0].grantId}`))['grant'].revoked, true)
  assert.is((await json(cwd, 'revoke shop'))['revocations'].length, 1)
  await json(cwd, `revoke shop title ${TITLE} --release 1`)
  const refused = await fetch(`${server.url}/v1/orders`, {
    method: 'POST',
    headers: { 'content-type': 'application/vnd.coffer' },
    body: requestBytes(pinned.centerId, { created }) as Uint8Array<ArrayBuffer>
  })
  assert.is(refused.status, 403)

  assert.equal(await server.end('SIGTERM'), [0, null])
  assert.equal(server.lines, [server.url], 'one line and no more')
  assert.is(server.stderr(), '')
})

test('issue answers by files: the same bytes again, no file replaced, no charge for nothing', async () => {
  const cwd = temporaryFolder()
  await json(cwd, 'init shop')
  await json(cwd, `publisher add shop ${PUBLISHER} --name Press`)
  const pinned = pinnedOf(cwd)
  const center = await openCenter(join(cwd, 'shop'))
  const created = seconds()
  const titleKey = openTicket(
    pinned,
    await center.register(registrationBytes(pinned.centerId, { created }))
  ).releaseKey
  await center.close()
  await json(cwd, `title shop set ${TITLE} --price 900`)
  writeFileSync(join(cwd, 'order.request'), requestBytes(pinned.centerId, { created }))

  const issued = await type(cwd, 'issue shop order.request --out order.answer')
  assert.is(issued.code, 0, issued.stderr)
  const answer = new Uint8Array(readFileSync(join(cwd, 'order.answer')))
  assert.equal(openAsBuyer(pinned, answer).titleKey, titleKey)
  assert.is(openAsBuyer(pinned, answer).answer.chargedMinor, 900)

  assert.is((await type(cwd, 'issue shop order.request --out order.answer')).code, 73)
  await json(cwd, 'issue shop order.request --out again.answer')
  assert.ok(equalBytes(new Uint8Array(readFileSync(join(cwd, 'again.answer'))), answer))
  await json(cwd, 'issue shop order.request --out again.answer --force')

  // Where there is no mail server no receipt is written: what is repeated would find it there.
  for (const more of ['', ' --mail ann@buyer.example']) {
    const path = `order${more.length}.receipt`
    const said = await type(cwd, `receipt shop order.request --out ${path}${more}`)
    assert.equal([said.code, existsSync(join(cwd, path))], more === '' ? [0, true] : [64, false], said.stderr)
  }
  assert.match((await type(cwd, 'receipt shop order.request --out order0.receipt')).stderr, '--force')
  assert.equal(await json(cwd, 'ledger shop verify'), { orders: 1, copies: 1, postings: 1 })

  // A new order that cannot be written down is not charged either.
  writeFileSync(join(cwd, 'new.request'), requestBytes(pinned.centerId, { created, medium: 'card' }))
  assert.is((await type(cwd, 'issue shop new.request --out order.answer')).code, 73)
  assert.is((await json(cwd, 'ledger shop verify'))['postings'], 1)
})

test('every failure has its exit code, and with --json its object on stdout', async () => {
  const cwd = temporaryFolder()
  await json(cwd, 'init shop')
  writeFileSync(join(cwd, 'garbage'), 'this is no request')
  writeFileSync(join(cwd, 'huge'), new Uint8Array(64 * 1024 + 1))
  const failures: [string, number, string][] = [
    ['', 64, 'Usage: coffer-center'],
    ['nonsense', 64, 'COFFER_USAGE'],
    ['serve shop --port 65536', 64, 'COFFER_USAGE'],
    ['title shop nonsense', 64, 'COFFER_USAGE'],
    ['title shop set x --price 1.5', 64, 'COFFER_USAGE'],
    ['publisher add shop coffer-publisher-abc', 64, 'COFFER_USAGE'],
    [`user shop show ${USER}`, 64, 'COFFER_USAGE'],
    ['issue shop garbage --out answer', 65, 'COFFER_RECORD_DAMAGED'],
    ['issue shop huge --out answer', 65, 'COFFER_RECORD_DAMAGED'],
    ['issue shop missing --out answer', 66, 'COFFER_FILE_MISSING'],
    ['serve nowhere', 66, 'COFFER_FILE_MISSING'],
    ['title shop set org.example.none --price 5', 66, 'COFFER_TITLE_MISSING'],
    ['init shop', 73, 'COFFER_EXISTS']
  ]
  const ended = await Promise.all(failures.map(([line]) => type(cwd, line)))
  for (const [n, [line, code, name]] of failures.entries()) {
    const said = ended[n]!
    assert.is(said.code, code, `${line}: ${said.stderr}`)
    assert.is(said.stdout, '', line)
    assert.match(said.stderr, name, line)
    assert.not.match(said.stderr, /\x1b|    at /, line)
  }
  // What was expected and found is said where there is such a thing, as by `coffer`.
  const observed = ['expected', 'found']
  for (const [[line, code, name], more] of [
    [failures[1]!, []],
    [failures.at(-1)!, observed]
  ] as const) {
    const said = await type(cwd, `${line} --json`)
    assert.is(said.code, code)
    assert.is(said.stderr, '')
    const { error } = JSON.parse(said.stdout) as { error: Record<string, string> }
    assert.equal(Object.keys(error), ['code', 'message', 'hint', ...more])
    assert.is(error['code'], name)
  }
  assert.not.ok(existsSync(join(cwd, 'answer')))
  assert.not.ok(existsSync(join(cwd, 'nowhere')))
})

test('a refused order ends with 77 and writes no answer', async () => {
  const cwd = temporaryFolder()
  await json(cwd, 'init shop')
  const pinned = pinnedOf(cwd)
  writeFileSync(join(cwd, 'order.request'), requestBytes(pinned.centerId, { created: seconds() }))
  const said = await type(cwd, 'issue shop order.request --out order.answer')
  assert.is(said.code, 77)
  assert.match(said.stderr, 'COFFER_TITLE_UNKNOWN')
  assert.not.ok(existsSync(join(cwd, 'order.answer')))
})

test('vault lock refuses a key file in the folder of the center, however it is named, and leaves the vault as it was', async () => {
  const cwd = temporaryFolder()
  await json(cwd, 'init shop')
  symlinkSync(join(cwd, 'shop', 'vault'), join(cwd, 'way'))
  const vault = readdirSync(join(cwd, 'shop', 'vault'))
  for (const path of ['shop/vault/k', 'shop/k', 'shop/vault/epoch-1/k', 'way/k', 'shop/../shop/vault/k']) {
    const said = await type(cwd, `vault shop lock --key-file ${path}`)
    assert.is(said.code, 64, said.stderr)
    assert.not.ok(existsSync(join(cwd, path)))
  }
  assert.equal(readdirSync(join(cwd, 'shop', 'vault')), vault)
  assert.is((await type(cwd, 'vault nowhere')).code, 66)
  await json(cwd, 'vault shop lock --key-file shop.key')
  // Locked already: nothing is made that would open nothing.
  assert.is((await type(cwd, 'vault shop lock --key-file second.key')).code, 77)
  assert.not.ok(existsSync(join(cwd, 'second.key')))
})

test('vault lock refuses a center that is served', async () => {
  const cwd = temporaryFolder()
  await json(cwd, 'init shop')
  const server = await serving(cwd)
  const said = await type(cwd, 'vault shop lock --key-file shop.key')
  assert.is(said.code, 75, said.stderr)
  assert.match(said.stderr, 'Stop "coffer-center serve"')
  assert.not.ok(existsSync(join(cwd, 'shop.key')))
  assert.equal(await json(cwd, 'vault shop'), { vault: 'open' })
  await server.end('SIGTERM')
  await json(cwd, 'vault shop lock --key-file shop.key')
})

test('--json is taken by every command, wherever it stands', async () => {
  const cwd = temporaryFolder()
  await json(cwd, 'init shop')
  for (const line of ['--json publisher list shop', 'publisher --json shop', 'publisher shop list --json']) {
    const { code, stdout } = await type(cwd, line)
    assert.equal([code, JSON.parse(stdout)], [0, { publishers: [] }], line)
  }
  for (const [line, message] of [
    ['--json', 'Which command?'],
    ['help nope --json', 'There is no command "nope".'],
    ['publisher --json', "Which center? Its folder, or a running one's URL, is missing."]
  ] as const) {
    const { code, stdout, stderr } = await type(cwd, line)
    const { error } = JSON.parse(stdout) as { error: Record<string, string> }
    assert.equal([code, stderr, error['code'], error['message']], [64, '', 'COFFER_USAGE', message], line)
  }
})

test('output that is lost is told; a reader that has gone changes no exit code', async () => {
  if (!existsSync('/dev/full')) return
  const cwd = temporaryFolder()
  await json(cwd, 'init shop')
  const full = openSync('/dev/full', 'w')
  const run = async (line: string, stdio: StdioOptions) => {
    const child = spawn(process.execPath, [COFFER_CENTER, ...line.split(' ')], { cwd, stdio })
    let stderr = ''
    child.stderr?.on('data', chunk => (stderr += chunk))
    child.stdout?.destroy()
    const [code] = await once(child, 'close')
    return { code: code as number, stderr }
  }
  for (const line of ['title shop', 'version', 'serve shop --port 0', 'title shop --json']) {
    const said = await run(line, ['ignore', full, 'pipe'])
    assert.is(said.code, 74, line)
    assert.not.match(said.stderr, '    at ', line)
  }
  assert.match((await run('title shop', ['ignore', full, 'pipe'])).stderr, /COFFER_IO/)
  assert.is((await run('title nowhere', ['ignore', 'ignore', full])).code, 66)
  assert.is((await run('title nowhere --json', ['ignore', full, 'ignore'])).code, 66)
  assert.is((await run('version', ['ignore', 'pipe', 'pipe'])).code, 0)
  closeSync(full)
})

test('serve that cannot listen ends, with metrics too', async () => {
  const cwd = temporaryFolder()
  await json(cwd, 'init shop')
  const server = await serving(cwd)
  const { port } = new URL(server.url)
  const second = await type(cwd, `serve shop --port ${port} --metrics-port 0`)
  assert.is(second.code, 75)
  await server.end('SIGTERM')
})

test('serve refuses a certificate and key that do not fit, and at SIGHUP goes on with those that did', async () => {
  const [one, two] = [selfSigned('one.example'), selfSigned('two.example')]
  if (one === undefined || two === undefined)
    return console.log('skip: no openssl to make a certificate with')
  const cwd = temporaryFolder()
  await json(cwd, 'init shop')
  const put = (cert: string, key: string) => {
    writeFileSync(join(cwd, 'cert.pem'), cert)
    writeFileSync(join(cwd, 'key.pem'), key)
  }
  const line = 'serve shop --port 0 --tls-cert cert.pem --tls-key key.pem'
  for (const [cert, key] of [
    [one.key, one.cert],
    [one.cert, two.key],
    ['text', one.key],
    ['', one.key]
  ] as const) {
    put(cert, key)
    const { code, stderr } = await type(cwd, line)
    assert.is(code, 64, stderr)
    assert.match(stderr, 'The certificate and its key cannot be used')
  }
  put(one.cert, one.key)
  const shop = await serving(cwd, line)
  const name = () =>
    new Promise<string>((resolve, reject) => {
      get(`${shop.url}/healthz`, { rejectUnauthorized: false, agent: false }, response => {
        const { subject } = (response.socket as TLSSocket).getPeerCertificate()
        response.resume().on('end', () => resolve(String(subject.CN)))
      }).on('error', reject)
    })
  const until = async (condition: () => boolean | Promise<boolean>) => {
    while (!(await condition())) await new Promise(resolve => setTimeout(resolve, 20))
  }
  for (const cert of [two.cert, 'text', '']) {
    const told = shop.stderr().length
    put(cert, one.key)
    shop.child.kill('SIGHUP')
    await until(() => shop.stderr().length > told)
    assert.match(shop.stderr().slice(told), '"requestId":"tls"')
    assert.is(await name(), 'one.example')
  }
  put(two.cert, two.key)
  shop.child.kill('SIGHUP')
  await until(async () => (await name()) === 'two.example')
  assert.equal(await shop.end('SIGTERM'), [0, null])
})

test('a log that cannot be written costs its lines, and no answer', async () => {
  if (!existsSync('/dev/full')) return console.log('skip: this system has no /dev/full')
  const cwd = temporaryFolder()
  await json(cwd, 'init shop')
  const full = openSync('/dev/full', 'w')
  const child = spawn(process.execPath, [COFFER_CENTER, 'serve', 'shop', '--port', '0', '--verbose'], {
    cwd,
    stdio: ['ignore', 'pipe', full]
  })
  closeSync(full)
  const [line] = (await once(child.stdout!, 'data')) as [Buffer]
  const url = line.toString('utf8').trim()
  for (const path of ['/healthz', '/readyz', '/v1/roots', '/healthz', '/none']) {
    const response = await fetch(`${url}${path}`)
    assert.is(response.status, path === '/none' ? 404 : 200, path)
    assert.ok((await response.arrayBuffer()).byteLength > 0, path)
  }
  const closed = once(child, 'close')
  child.kill('SIGTERM')
  assert.equal(await closed, [0, null])
})

test('what needs the folder of a center refuses a URL', async () => {
  const cwd = temporaryFolder()
  for (const line of [
    'init URL',
    'serve URL',
    'vault URL',
    'vault URL lock',
    'rotate URL key',
    'admin URL'
  ]) {
    const { code, stderr } = await type(cwd, line.replace('URL', 'http://127.0.0.1:9'))
    assert.is(code, 64, line)
    assert.match(stderr, 'only where the folder of the center is', line)
  }
  assert.equal(readdirSync(cwd), [])
})

test('a center whose database is empty says that, and how its books come back', async () => {
  const cwd = temporaryFolder()
  await json(cwd, 'init shop')
  writeFileSync(join(cwd, 'shop', 'center.db'), '')
  const said = await type(cwd, 'title shop')
  assert.is(said.code, 66, said.stderr)
  assert.match(said.stderr, 'Restore')
})

test('an unexpected error is told by its kind, not by its words, also where nobody waits for it', async () => {
  for (const body of [
    "throw new TypeError('secret')",
    "setImmediate(() => { throw new TypeError('secret') }); return new Promise(() => {})",
    "Promise.reject(new TypeError('secret')); return new Promise(() => {})"
  ]) {
    const broken = `import fs from 'node:fs/promises'
      import { syncBuiltinESMExports } from 'node:module'
      fs.readFile = () => { ${body} }
      syncBuiltinESMExports()`
    const preload = ['--import', `data:text/javascript,${encodeURIComponent(broken)}`]
    const { status, stderr } = spawnSync(process.execPath, [...preload, COFFER_CENTER, 'title', 'shop'], {
      encoding: 'utf8'
    })
    assert.equal([status, /secret/.test(stderr)], [70, false], body)
    assert.match(stderr, '(TypeError)')
  }
})

test('what is no URL of a database is refused, and not quoted: it may hold a password', async () => {
  const cwd = temporaryFolder()
  await json(cwd, 'init shop')
  for (const line of [
    'serve shop --database postgres://shop:secret@[',
    'init other --database postgres://a:secret@['
  ]) {
    const said = await type(cwd, line)
    assert.is(said.code, 64, said.stderr)
    assert.not.match(said.stderr, 'secret')
  }
  assert.equal(
    readdirSync(cwd).filter(name => name !== 'other'),
    ['shop']
  )
})

test('a key that cannot sign for the desk is named, and what it is', async () => {
  const cwd = temporaryFolder()
  writeFileSync(join(cwd, 'user.key'), formatSecretKey('user', new Uint8Array(32)))
  const ask = (key: string, url = 'http://127.0.0.1:1') =>
    spawnSync(process.execPath, [COFFER_CENTER, 'title', url], {
      cwd,
      env: { ...process.env, COFFER_CENTER_KEY: key },
      encoding: 'utf8'
    })
  const user = ask('user.key')
  assert.is(user.status, 65)
  assert.match(user.stderr, /user\.key[^]*a user's key[^]*keygen --publisher/)
  const none = ask('none.key')
  assert.is(none.status, 66)
  assert.match(none.stderr, /none\.key[^]*COFFER_CENTER_KEY/)
  assert.is(ask('user.key', 'http://[').status, 64)
})

test('hints name the center that was typed, as a shell takes it', async () => {
  const cwd = temporaryFolder()
  mkdirSync(join(cwd, 'full'))
  writeFileSync(join(cwd, 'full', 'file'), '')
  assert.match((await type(cwd, 'title full')).stderr, /\n  Check the path\.\n/)
  assert.match((await type(cwd, 'title none')).stderr, '"coffer-center init none"')
  const folder = "my$shop's"
  await json(cwd, `init ${folder}`)
  const typed = `'my$shop'\\''s'`
  assert.match((await type(cwd, `user ${folder} show abcdef`)).stderr, `"coffer-center user ${typed} list"`)
  assert.match(
    (await type(cwd, `publisher ${folder}`)).stdout,
    `"coffer-center publisher ${typed} add <public key>"`
  )
  assert.match((await type(cwd, `login ${folder}`)).stderr, '--url')
  assert.not.match((await type(cwd, `login ${folder} --url http://here`)).stderr, '--url')
})

test('what a command wants is said in the words of `coffer`', async () => {
  const cwd = temporaryFolder()
  for (const [line, says] of [
    ['issue shop order.request', '"issue" needs --out <file>: where the answer goes.'],
    ['title shop show', '"title show" needs <title>.'],
    [
      'issue shop a --out',
      '--out of "issue" is not right.\n  expected  --out <file>\n  found     nothing after it'
    ],
    [
      'sales shop --dayz 3',
      '"sales" has no option --dayz.\n  Did you mean "--days"? See "coffer-center sales --help".'
    ],
    ['isue shop', 'There is no command "isue".\n  Did you mean "issue"? See'],
    ['sales shop more', '"sales" takes fewer words than these.'],
    [
      'title shop set x --price 9.00',
      '--price of "title set" is not right.\n  expected  minor units: 900 for 9.00\n  found     9.00'
    ],
    ['title shop set x --renew-price 1,50', 'expected  minor units: 150 for 1.50'],
    [
      'title shop set x --price -1',
      '--price of "title set" is not right.\n  expected  a whole number from 0 to'
    ],
    ['title shop set x --transfer all', 'expected  no, media, users\n  found     all']
  ] as const) {
    const said = await type(cwd, line)
    assert.is(said.code, 64, line)
    assert.match(said.stderr, says, line)
  }
})

test('help shows words in the order in which they are typed, within 80 columns', async () => {
  const cwd = temporaryFolder()
  assert.match(
    (await type(cwd, 'publisher add --help')).stdout,
    'Usage: coffer-center publisher <folder> add <public-key> [options]'
  )
  assert.match((await type(cwd, 'revoke title --help')).stdout, 'later ones too')
  const groups = ['', 'admin', 'publisher', 'title', 'user', 'grant', 'revoke', 'rotate', 'vault', 'ledger']
  const helped = await Promise.all(groups.map(name => type(cwd, `${name} --help`)))
  for (const { stdout } of [...helped, { stdout: (await type(cwd, '')).stderr }])
    for (const line of stdout.split('\n')) assert.ok(line.length <= 80, line)
})

test('terms without effect are refused: a price of renewing what never ends', async () => {
  const cwd = temporaryFolder()
  await json(cwd, 'init shop')
  await json(cwd, `publisher shop add ${PUBLISHER}`)
  const center = await openCenter(join(cwd, 'shop'))
  await center.register(registrationBytes(pinnedOf(cwd).centerId, { created: seconds() }))
  await center.close()
  const said = await type(cwd, `title shop set ${TITLE} --renew-price 5`)
  assert.is(said.code, 64)
  assert.match(said.stderr, '--expires-days')
  assert.is((await json(cwd, `title shop show ${TITLE}`))['title'].renewPriceMinor, null)
  await json(cwd, `title shop set ${TITLE} --renew-price 5 --expires-days 30`)
  await json(cwd, `title shop set ${TITLE} --renew-price 6`)
  // One user's copies may end where the others' do not.
  await json(cwd, `title shop set ${TITLE} --renew-price none --expires-days never`)
  await json(cwd, `grant shop give ${TITLE} ${USER} --expires-days 30`)
  await json(cwd, `title shop set ${TITLE} --renew-price 5`)
  assert.match((await type(cwd, `revoke shop title ${TITLE}`)).stderr, 'final')
})

test('--help shows how it is typed', async () => {
  const cwd = temporaryFolder()
  const names = ['', 'init', 'serve', 'issue', 'publisher', 'title', 'user', 'grant', 'revoke', 'ledger']
  const helped = await Promise.all(names.map(name => type(cwd, `${name} --help`)))
  for (const [n, { code, stdout, stderr }] of helped.entries()) {
    assert.is(code, 0, names[n])
    assert.is(stderr, '')
    assert.match(stdout, `Usage: coffer-center ${names[n]}`)
    assert.match(stdout, /Examples?:\n/)
  }
  assert.match((await type(cwd, 'title set --help')).stdout, '--expires-days')
})

test('what is typed wrong is said as by `coffer`, with the help of that very command', async () => {
  const cwd = temporaryFolder()
  for (const [line, says] of [
    [
      'title set shop x --price 9.99',
      /^error: [^]*9\.99[^]*\n  See "coffer-center title set --help"\.\n  \[COFFER_USAGE\]\n$/
    ],
    ['issue shop', /^error: [^]*\n  See "coffer-center issue --help"/],
    ['title', /^error: Which center\?[^]*\n  See "coffer-center title --help"/],
    ['help nonsense', /\n  See "coffer-center --help"/]
  ] as const) {
    const said = await type(cwd, line)
    assert.equal([said.code, said.stdout], [64, ''], line)
    assert.match(said.stderr, says)
  }
})

test("version is package.json's", async () => {
  const packageFile = new URL('../../../package.json', import.meta.url)
  const { version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string }
  for (const line of ['version', '--version']) {
    const { code, stdout } = await type('.', line)
    assert.equal({ code, stdout }, { code: 0, stdout: `coffer-center ${version}\n` })
  }
  const { name, version: found } = await json('.', '--version')
  assert.equal([name, found], ['coffer-center', version])
})

test('users and gifts: closed enrolment, a gift by public key, block and unblock', async () => {
  const cwd = temporaryFolder()
  await json(cwd, 'init shop')
  await json(cwd, `publisher shop add ${PUBLISHER}`)
  const pinned = pinnedOf(cwd)
  const center = await openCenter(join(cwd, 'shop'))
  const created = seconds()
  await center.register(registrationBytes(pinned.centerId, { created }))
  await center.close()
  await json(cwd, `title shop set ${TITLE} --price 900 --copies 0 --expires-days 30`)
  assert.equal(await json(cwd, 'user shop enrolment closed'), { enrolment: 'closed' })
  let orders = 0
  const order = async () => {
    const name = `order${orders++}`
    writeFileSync(join(cwd, name), requestBytes(pinned.centerId, { created, requestId: newRequestId() }))
    return type(cwd, `issue shop ${name} --out ${name}.answer`)
  }
  assert.match((await order()).stderr, 'COFFER_ENROLMENT_CLOSED')
  const { userId } = await json(cwd, `user shop add ${USER} --name Ann`)
  assert.match((await order()).stderr, 'COFFER_QUOTA')
  const given = await json(cwd, `grant shop give ${TITLE} ${USER} --copies 1`)
  assert.is(given['userId'], userId)
  assert.equal(given['terms'], { priceMinor: 0, currency: 'EUR', copies: 1, expiresDays: 30, features: [] })
  assert.is((await order()).code, 0)
  assert.is((await json(cwd, `user shop block ${userId}`))['blocked'], true)
  assert.match((await order()).stderr, 'COFFER_REVOKED')
  await json(cwd, `user shop unblock ${userId.slice(0, 6)}`)
  assert.is((await order()).code, 0)
  const { user, balances } = await json(cwd, `user shop show ${USER}`)
  assert.is(user.name, 'Ann')
  assert.equal(balances, [])
})

test('serve --json says where it listens; --verbose logs; SIGINT ends it as SIGTERM does', async () => {
  const cwd = temporaryFolder()
  const { centerId } = await json(cwd, 'init shop')
  const server = await serving(cwd, 'serve shop --port 0 --json --verbose')
  const said = JSON.parse(server.url) as { url: string; centerId: string }
  assert.is(said.centerId, centerId)
  await fetch(`${said.url}/healthz`)
  const { port } = new URL(said.url)
  const second = await type(cwd, `serve shop --port ${port}`)
  assert.is(second.code, 75)
  assert.equal(await server.end('SIGINT'), [0, null])
  const line = JSON.parse(server.stderr().trim().split('\n')[0]!) as Record<string, unknown>
  assert.equal([line['method'], line['route'], line['status']], ['GET', '/healthz', 200])
})

test('SIGKILL in the middle of a run leaves ledger, grants and answers that agree, and every answer that went out', async () => {
  const cwd = temporaryFolder()
  await json(cwd, 'init shop')
  const pinned = pinnedOf(cwd)
  const center = await openCenter(join(cwd, 'shop'))
  await center.desk.addPublisher(publisherKeys(), 'Press')
  const created = seconds()
  await center.register(registrationBytes(pinned.centerId, { created }))
  await center.desk.setTerms(TITLE, { priceMinor: 100 })
  await center.close()

  const answered = new Map<Uint8Array, Uint8Array>()
  let at = 0
  for (let run = 0; run < 3; run++) {
    const server = await serving(cwd)
    let dead = false
    const buyer = async () => {
      while (!dead) {
        const request = requestBytes(pinned.centerId, { created, medium: `stick ${at++}` })
        try {
          answered.set(request, await post(server.url, '/v1/orders', request))
        } catch {
          return // cut off
        }
      }
    }
    const before = answered.size
    const buyers = [buyer(), buyer(), buyer(), buyer()]
    while (answered.size < before + 15) await new Promise(resolve => setTimeout(resolve, 2))
    const [, signal] = await server.end('SIGKILL')
    dead = true
    await Promise.all(buyers)
    assert.is(signal, 'SIGKILL')
  }

  const again = await openCenter(join(cwd, 'shop'))
  const check = await again.desk.verifyLedger()
  assert.equal(check.problems, [])
  assert.is(check.postings, check.orders)
  assert.ok(check.orders >= answered.size, 'an order may have been kept whose answer was cut off')
  assert.ok(answered.size >= 45)
  for (const [request, answer] of answered) assert.ok(equalBytes(await again.issue(request), answer))
  await again.close()
  assert.is((await json(cwd, 'ledger shop verify'))['orders'], check.orders)
})

test.run()
