import type { Family } from '../family.js'

export const hostileHosts: Family = {
  'a function': ['gives "TypeError"', `try { await host.odd('function') } catch (e) { return e.name }`],
  'a symbol': ['gives "TypeError"', `try { await host.odd('symbol') } catch (e) { return e.name }`],
  'a cycle': ['gives "TypeError"', `try { await host.odd('cycle') } catch (e) { return e.name }`],
  'an instance': ['gives "TypeError"', `try { await host.odd('instance') } catch (e) { return e.name }`],
  'a getter': ['gives "TypeError"', `try { await host.odd('getter') } catch (e) { return e.name }`],
  'a date': ['gives "TypeError"', `try { await host.odd('date') } catch (e) { return e.name }`],
  'an object with __proto__': [
    'gives true',
    `const o = await host.odd('proto'); return ({}).polluted === undefined && Object.getPrototypeOf(o) === Object.prototype`
  ],
  'something deep': ['gives "TypeError"', `try { await host.odd('deep') } catch (e) { return e.name }`],
  'an error with secrets on it': [
    'gives ["Secretive","told",false,true]',
    `try { await host.odd('error') } catch (e) { return [e.name, e.message, 'secret' in e || 'code' in e || 'cause' in e, !/node:|file:|arena/.test(e.stack ?? '')] }`
  ],
  'an error that is a proxy': [
    'gives true',
    `try { await host.odd('proxy error') } catch (e) { return e instanceof Error }`
  ],
  'a thrown text': [
    'gives "The host refused."',
    `try { await host.odd('thrown text') } catch (e) { return e.message }`
  ],
  'a thrown null': [
    'gives "The host refused."',
    `try { await host.odd('thrown null') } catch (e) { return e.message }`
  ],
  'an error whose message throws': [
    'gives true',
    `try { await host.odd('message getter') } catch (e) { return e instanceof Error }`
  ],
  'a thenable that never settles': ['wallMs', `await host.odd('endless thenable')`],
  'more than fits': ['memoryBytes|cpuMs', `const all = []; for (;;) all.push(await host.odd('large'))`],
  'nothing at all': ['gives nothing', `return host.odd('nothing')`],
  "a limit's error of another guest": [
    'gives "CofferError"',
    `try { host.otherLimit() } catch (e) { return e.name }`
  ]
}
