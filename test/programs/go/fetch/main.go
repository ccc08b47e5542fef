// Command fetch gets pages from an HTTP server that it finds by name.
//
// usage: fetch http://NAME:PORT
package main

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Println("FAIL usage: fetch http://NAME:PORT")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Println("FAIL", err)
		os.Exit(1)
	}
}

func run(base string) error {
	client := &http.Client{Timeout: 60 * time.Second}
	r, err := client.Get(base + "/hello")
	if err != nil {
		return err
	}
	b, err := io.ReadAll(r.Body)
	r.Body.Close()
	if err != nil {
		return err
	}
	fmt.Printf("%s %q\n", r.Status, b)
	r, err = client.Get(base + "/bulk?n=3000000")
	if err != nil {
		return err
	}
	h := sha256.New()
	n, err := io.Copy(h, bufio.NewReader(r.Body))
	r.Body.Close()
	if err != nil {
		return err
	}
	fmt.Printf("%d bytes %x\n", n, h.Sum(nil))
	// Several connections at a time.
	var wg sync.WaitGroup
	var mu sync.Mutex
	good := 0
	for range 20 {
		wg.Go(func() {
			r, err := client.Get(base + "/hello")
			if err != nil {
				return
			}
			defer r.Body.Close()
			if b, err := io.ReadAll(r.Body); err == nil && strings.HasPrefix(string(b), "hello") {
				mu.Lock()
				good++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	fmt.Println("good", good)
	if _, err := net.LookupHost("localhost"); err != nil {
		return err
	}
	_, err = net.DialTimeout("tcp", "127.0.0.1:1", 5*time.Second)
	fmt.Println("refused", err != nil && strings.Contains(err.Error(), "connection refused"))
	return nil
}
