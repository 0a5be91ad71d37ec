/** Which URLs a guest may ask for: the list of hosts that it was granted. */

export interface AllowList {
  /** @throws TypeError for a URL that is not among those granted. */
  check(url: URL): void
}

interface Entry {
  readonly scheme: string
  /** As URLs write it; of an entry with `*.` what follows that. */
  readonly host: string
  readonly wildcard: boolean
  /** '' for the scheme's own. */
  readonly port: string
}

/**
 * @param entries - `api.example.org`, `api.example.org:8443`, `*.example.org` for any name below it, `[::1]`; https,
 *   or http where `http://` stands in front.
 * @throws TypeError for an entry that would allow nothing, or something else than it seems to.
 */
export function parseAllowList(entries: readonly string[]): AllowList {
  const parsed = entries.map(parseEntry)
  return {
    check(url) {
      const granted = parsed.some(
        ({ scheme, host, wildcard, port }) =>
          url.protocol === scheme &&
          url.port === port &&
          (wildcard ? url.hostname.endsWith(`.${host}`) : url.hostname === host)
      )
      if (granted) return
      throw new TypeError(`Cannot fetch ${url.origin}: it is not among the hosts that were granted`)
    }
  }
}

const ENTRY = /^(?:(https?):\/\/)?(\*\.)?([^*/?#@\\\s]+)$/

function parseEntry(entry: string): Entry {
  const [, scheme = 'https', wildcard, place] = ENTRY.exec(entry) ?? []
  const url =
    place !== undefined && URL.canParse(`${scheme}://${place}`) ? new URL(`${scheme}://${place}`) : undefined
  const below = wildcard !== undefined
  // `*.1` would stand for addresses, and what a URL rewrites is not what somebody read and granted.
  const odd =
    url === undefined ||
    (below && /^\[|(?:^|\.)\d+$/.test(url.hostname)) ||
    place!.replace(/:\d+$/, '').toLowerCase() !== url.hostname
  if (odd) throw new TypeError(`Cannot grant the network to "${entry}": it is no host`)
  return { scheme: url.protocol, host: url.hostname, wildcard: below, port: url.port }
}
