// The tooltip of a time in the reader's own time zone. Without script it is UTC, and says so.
const EXACT = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric', month: 'long', year: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit', timeZoneName: 'short',
})

export function inOwnTimeZone(root) {
  root.querySelectorAll('time[datetime][title$=" UTC"]').forEach(time => {
    const at = new Date(time.dateTime)
    time.title = EXACT.format(at).replace(' at ', ', ')
    if (time.matches('[data-clock]')) time.textContent = clock(at)
  })
  root.querySelectorAll('[data-left]').forEach(left => { if (!ends.has(left)) ends.set(left, Date.now() + left.dataset.left * 1000) })
}

// The same words as the server's, in page_tags.py.
const DAY = 86_400_000
function clock(at) {
  const day = at - Date.now() < DAY ? {} : {day: 'numeric', month: 'short'}
  if (day.day && at.getFullYear() !== new Date().getFullYear()) day.year = 'numeric'
  return new Intl.DateTimeFormat('en-GB', {...day, hour: '2-digit', minute: '2-digit'}).format(at)
}

const UNITS = [[365 * DAY, 'year'], [30 * DAY, 'month'], [7 * DAY, 'week'], [DAY, 'day'], [3_600_000, ' h'], [60_000, ' min'], [1000, ' s']]
function inWords(left) {
  if (left < 5000) return 'just now'
  const [length, name] = UNITS.find(([length]) => left >= length)
  const number = Math.floor(left / length)
  return `in ${number}${name[0] === ' ' ? name : ` ${name}${number === 1 ? '' : 's'}`}`
}

// What is left of a pause, by the server's clock. When nothing is left, the place is fetched anew; if that fails, it is
// tried again half a minute later, and an open menu is not taken away.
const ends = new WeakMap()
const AGAIN = 30_000

function countDown(left) {
  const words = `(${inWords(ends.get(left) - Date.now())})`
  if (left.textContent !== words) left.textContent = words
  const place = left.closest('.key-row, [data-anew]')
  const due = Math.max(ends.get(left), left.nextTry ?? 0)
  if (due > Date.now() || !place || document.hidden || place.querySelector(':popover-open')) return
  left.nextTry = Date.now() + AGAIN
  htmx.ajax('GET', location.href, {source: left, target: place, select: `#${place.id}`, swap: 'outerHTML'})
}
setInterval(() => document.querySelectorAll('[data-left]').forEach(left => { if (ends.has(left)) countDown(left) }), 1000)
