// The tooltip of a time in the reader's own time zone. Without script it is UTC, and says so.
const EXACT = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric', month: 'long', year: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit', timeZoneName: 'short',
})

export function inOwnTimeZone(root) {
  root.querySelectorAll('time[datetime][title$=" UTC"]').forEach(time => {
    time.title = EXACT.format(new Date(time.dateTime)).replace(' at ', ', ')
  })
}
