// Command trust uses what a client of Go's standard library reads of a system's: the list
// of CA certificates, and time zones by name. With an argument it fetches that address.
package main

import (
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"time"
)

func main() {
	pool, err := x509.SystemCertPool()
	if err != nil {
		fmt.Println("no certificates:", err)
		os.Exit(1)
	}
	hash := sha256.New()
	list := pool.Subjects() //lint:ignore SA1019 it is the system's list that is meant
	for _, s := range list {
		hash.Write(s)
	}
	fmt.Printf("trusts %d, %x\n", len(list), hash.Sum(nil))
	if len(list) == 0 {
		os.Exit(1)
	}
	at := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	for _, name := range []string{"Europe/Berlin", "Asia/Kolkata", "America/St_Johns", "UTC", "Nowhere/There"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			fmt.Println(name, err)
			continue
		}
		fmt.Println(name, at.In(zone))
	}
	for _, url := range os.Args[1:] {
		r, err := http.Get(url)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(r.Status)
		r.Body.Close()
	}
}
