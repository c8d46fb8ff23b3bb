// What the account's pages need a script for: passkeys (the ceremony itself is allauth's) and printing.
import {announce} from './announce.js';

document.querySelectorAll('[data-needs-script]').forEach(element => { element.hidden = false })

// allauth only writes to the console when a passkey was refused, cancelled or is unknown.
document.addEventListener('allauth.error', event => {
  event.preventDefault()
  if (!window.PublicKeyCredential) announce('This browser offers passkeys only over https, or not at all.')
  else announce('No passkey was used. Try again, or use another way.')
})

document.addEventListener('click', event => {
  if (event.target.closest('[data-print]')) print()
})
