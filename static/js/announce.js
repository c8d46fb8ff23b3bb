// Says something in the page's live region, and in an open dialog's own, for a dialog hides the page.
const LINGER = 8000

export function announce(text) {
  const line = document.createElement('div')
  line.className = 'announcement'
  line.append(Object.assign(document.createElement('span'), {textContent: text}))
  document.getElementById('announcements').replaceChildren(line)
  const inDialog = document.querySelector('dialog[open] [data-dialog-status]')
  if (inDialog) inDialog.textContent = text
  fade(line)
}

// A line goes by itself, but not from under a pointer or the focus.
export function fade(line) {
  setTimeout(() => line.matches(':hover, :focus-within') ? fade(line) : line.remove(), LINGER)
}
