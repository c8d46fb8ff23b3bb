module example.com/latchkey-go-api

go 1.19
