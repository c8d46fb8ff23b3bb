import {announce} from './announce.js';

const TICK = 2000
const SELECTED_FOR = 10_000

// The clipboard is handed the promise of the text where it can wait: a browser forgets the click while the text comes.
async function write(promise) {
  if (!navigator.clipboard) throw new Error('no clipboard on plain HTTP')
  if (!window.ClipboardItem) return navigator.clipboard.writeText(await promise)
  const blob = promise.then(text => new Blob([text], {type: 'text/plain'}))
  return navigator.clipboard.write([new ClipboardItem({'text/plain': blob})])
}

// Puts the promised text on the clipboard; where that fails, shows it selected beside the button. The `note` is said
// with it.
export async function copy(promise, button, said, note = () => '') {
  try {
    await write(promise)
  } catch {
    showSelected(await promise, button, note())
    return
  }
  button.classList.add('is-copied')
  setTimeout(() => button.classList.remove('is-copied'), TICK)
  announce(`${said} ${note()}`.trim())
}

function showSelected(text, button, note) {
  const place = button.closest('[data-secret], [data-copied-here], .snippet') ?? button.parentElement
  place.querySelector('.secret-fallback')?.remove()
  const box = document.createElement('div')
  box.className = 'secret-fallback'
  const shortcut = /Mac|iP/.test(navigator.platform) ? '⌘C' : 'Ctrl+C'
  const isTouched = matchMedia('(pointer: coarse)').matches
  const label = document.createElement('label')
  label.textContent = isTouched ? 'Select and copy' : `Press ${shortcut}`
  const several = text.trimEnd().includes('\n')
  const field = document.createElement(several ? 'textarea' : 'input')
  Object.assign(field, {value: text, readOnly: true, className: 'input', autocomplete: 'off', spellcheck: false})
  label.append(field)
  box.append(label)
  place.append(box)
  field.focus()
  field.select()
  if (place.matches('[data-copied-here]')) stay(box, field, button, note)
  else removeWhenDone(box, field, button)
  const how = isTouched ? 'Select the text and copy it.' : `The text is selected: press ${shortcut}.`
  announce(`Your browser refused to copy. ${how}`)
}

// A text that is shown this once stays until the person is done with it.
function stay(box, field, button, note) {
  const done = document.createElement('button')
  Object.assign(done, {type: 'button', className: 'button small', textContent: 'Done'})
  const remove = () => {
    box.remove()
    button.focus()
  }
  box.append(Object.assign(document.createElement('p'), {className: 'muted small', textContent: note}), done)
  done.addEventListener('click', remove)
  box.addEventListener('keydown', event => {
    if (event.key !== 'Escape') return
    event.preventDefault()
    remove()
  })
}

// The box goes with the focus, or on Escape. Under a pointer that is down the page must not move: the click would miss what it was on.
function removeWhenDone(box, field, button) {
  let isPressed = false
  const done = new AbortController()
  const press = () => { isPressed = true }
  const remove = () => {
    box.remove()
    done.abort()
  }
  addEventListener('pointerdown', press, {capture: true, signal: done.signal})
  addEventListener('click', ({target}) => { if (!box.contains(target)) setTimeout(remove) }, {signal: done.signal})
  field.addEventListener('keydown', event => {
    if (event.key !== 'Escape') return
    event.preventDefault()
    button.focus()
    remove()
  })
  field.addEventListener('blur', () => { if (!isPressed) remove() })
  setTimeout(remove, SELECTED_FOR)
}
