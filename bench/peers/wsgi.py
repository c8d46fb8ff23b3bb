import os

from django.core.wsgi import get_wsgi_application

os.environ["DJANGO_SETTINGS_MODULE"] = os.environ["PEERS_SETTINGS"]
application = get_wsgi_application()
