import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { GuestError, type Guest, type Value } from '../../sandbox/index.js'
import { ENGINES, bundleTitle, runTitle, startTitle } from './helpers/titles.js'

const markdown = await bundleTitle('samples/titles/markdown')

/** Ask both engines, which must agree to the byte. */
async function ask(name: string, ...args: readonly Value[]): Promise<Value> {
  const answers = await Promise.all(
    ENGINES.map(async engine => (await guests.get(engine)!).call(name, ...args))
  )
  assert.equal(answers[0], answers[1])
  return answers[0]
}

const guests = new Map<string, Promise<Guest>>(ENGINES.map(engine => [engine, startTitle(markdown, engine)]))
test.after(async () => {
  for (const guest of guests.values()) await (await guest).dispose()
})

test('render() gives the HTML of CommonMark, tables and strikethrough', async () => {
  assert.is(await ask('render', ''), '')
  assert.is(await ask('render', 'a *b* `c`\n'), '<p>a <em>b</em> <code>c</code></p>\n')
  assert.is(await ask('render', '~~x~~'), '<p><s>x</s></p>\n')
  assert.match(String(await ask('render', '| a |\n|---|\n| 1 |')), '<th>a</th>')
  assert.is(
    await ask('render', 'gr\u00fc\u00dfe \u{1F56F} \u0000'),
    '<p>gr\u00fc\u00dfe \u{1F56F} \ufffd</p>\n'
  )
})

test('render() lets no markup of the text through', async () => {
  const attacks = [
    '<script>x</script>',
    '<img src=x onerror=y>',
    '[a](javascript:x)',
    '[a](JaVaScRiPt:x)',
    '<javascript:x>'
  ]
  for (const attack of attacks) {
    const html = String(await ask('render', attack, { linkify: true, typographer: true }))
    assert.not.match(html, /<script|<img|href="javascript/i)
  }
  const page = String(await ask('render', 'x', { page: true, title: '</title><script>' }))
  assert.not.match(page, '<script')
})

test('render() colours code in known languages only', async () => {
  const known = String(await ask('render', '```js\nconst a = 1\n```'))
  assert.match(known, '<span class="hljs-keyword">const</span>')
  assert.is(await ask('render', '```\na < b\n```'), '<pre><code>a &lt; b\n</code></pre>\n')
  assert.not.match(String(await ask('render', '```klingon\nconst\n```')), 'hljs')
  assert.not.match(String(await ask('render', '```js\nconst a = 1\n```', { highlight: false })), 'hljs')
})

test('languages() names what render() colours', async () => {
  const languages = (await ask('languages')) as string[]
  assert.ok(languages.length >= 12)
  for (const language of languages) {
    // Each grammar is compiled once, by the engine's own regular expressions.
    const html = String(await ask('render', `\`\`\`${language}\n- "text": 1\n# <a href="b"> // c\n\`\`\``))
    assert.match(html, `language-${language}`)
    assert.match(html, 'hljs-', language)
  }
})

test('toc() and render() agree on the ids of headings, and no id comes twice', async () => {
  const text = '# A `b`\n## A b\n### a-b!\n# \n# A b 1\n###### \u00c4rger *\u00fcber* alles\n\nSetext\n===\n'
  const toc = (await ask('toc', text)) as { level: number; text: string; id: string }[]
  assert.equal(
    toc.map(({ level, text, id }) => `${level} ${text} ${id}`),
    [
      '1 A b a-b',
      '2 A b a-b-1',
      '3 a-b! a-b-2',
      '1  section',
      '1 A b 1 a-b-1-1',
      '6 \u00c4rger \u00fcber alles \u00e4rger-\u00fcber-alles',
      '1 Setext setext'
    ]
  )
  const html = String(await ask('render', text))
  assert.equal(
    [...html.matchAll(/<h\d id="([^"]*)">/g)].map(([, id]) => id),
    toc.map(({ id }) => id)
  )
})

test('render() makes a page on demand, titled by its first heading', async () => {
  const page = String(await ask('render', '# A & B\n', { page: true }))
  assert.match(page, /^<!doctype html>\n/)
  assert.match(page, '<title>A &amp; B</title>')
  assert.match(String(await ask('render', 'x', { page: true })), '<title>Untitled</title>')
  assert.match(String(await ask('render', '# A', { page: true, title: 'B' })), '<title>B</title>')
})

test('render() refuses what is no text and no option', async () => {
  for (const engine of ENGINES) {
    const guest = await guests.get(engine)!
    for (const args of [[42], [null], ['x', { colour: true }], ['x', { page: 'yes' }]] as Value[][]) {
      const error = await guest.call('render', ...args).then(
        () => null,
        (thrown: unknown) => thrown
      )
      assert.instance(error, GuestError)
      assert.is((error as GuestError).name, 'TypeError')
    }
  }
})

test('markdown renders its arguments, or a sample, when it is run', async () => {
  for (const engine of ENGINES) {
    const given = await runTitle(markdown, engine, { args: ['# Hi', '', 'you'] })
    assert.is(given.exitCode, 0)
    assert.is(given.stdout, '<h1 id="hi">Hi</h1>\n<p>you</p>\n')
    assert.is(given.stderr, '')
    const sample = await runTitle(markdown, engine)
    assert.match(sample.stdout, '<h1 id="markdown">')
    assert.match(sample.stderr, 'This title is a plugin')
  }
})

test('render() takes a book in a few seconds on QuickJS', async () => {
  const chapter =
    '# Chapter\n\nSome *text* with `code`, a [link](https://example.org) and more of it.\n\n- one\n- two\n\n'
  const book = chapter.repeat(500)
  const guest = await guests.get('quickjs')!
  const started = performance.now()
  await guest.call('render', book)
  const elapsedMs = performance.now() - started
  console.log(`markdown: ${(book.length / 1024).toFixed(0)} KiB in ${elapsedMs.toFixed(0)} ms`)
  assert.ok(elapsedMs < 10_000, `${elapsedMs} ms`)
})

test.run()
