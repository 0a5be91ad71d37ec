/** Times as people and as programs read them. All count seconds since 1970. */

/** To the minute, in UTC. */
export const timeText = (seconds: number): string => `${isoTime(seconds).slice(0, 16).replace('T', ' ')} UTC`

/** ISO 8601. */
export const isoTime = (seconds: number): string => new Date(seconds * 1000).toISOString()
