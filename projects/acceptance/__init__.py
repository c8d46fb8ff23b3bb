"""What an invited person does with a link: see the invitation, and accept it."""
